"""Networks that code builds, with a file of weights beside it: `package.module:factory`, a library's, or one in hand.

The named function is the user's, and is trusted as such; the file of weights is not. It goes out as it came in.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from expunge.errors import ExpungeError, ModelError, Unavailable
from expunge.models.adapters import LIBRARIES, library_network
from expunge.models.builtin import BUILT_IN
from expunge.models.files import Layout, Stored, arranged, read_weights, without_prefix, write_weights
from expunge.models.weights import State, load_into

Build = Callable[[], nn.Module]
NARROW = (torch.float16, torch.bfloat16)


def factory(name: str, *, logits: int, channels: int = 3) -> Build:
    """A function that builds the network called `name`.

    Args:
        name: `package.module:function` (called without arguments), `timm:NAME`, `torchvision:NAME` or one of
            `BUILT_IN`; modules are looked for where Python looks, and in the current directory.
        logits, channels: of the data, for networks that ask for them.

    Raises:
        ModelError: there is no such module or function, or it does not return a network.
        Unavailable: the library is not installed.
    """
    if (own := BUILT_IN.get(name)) is not None:
        return partial(own.build, logits, channels)
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise ModelError("model", expected="package.module:factory", came=name)
    if module in LIBRARIES:
        return library_network(module, attribute, logits=logits, channels=channels)
    made = _named(module, attribute)
    return partial(_network, made, name)


def built(build: Build, name: str) -> nn.Module:
    """Call a factory; whatever it raises becomes one line.

    Raises:
        ModelError: it raised, or did not return a network.
    """
    try:
        return build()
    except ExpungeError:
        raise
    except Exception as error:  # anything may go wrong in the user's code
        came = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ModelError("model", expected=f"{name} to build a network", came=came) from error


class FileForm:
    """A network that lives as one file of weights beside the code that builds it.

    Args:
        name: of the factory, or of the module in hand.
        template: returns a network to read weights into.
        build: returns a freshly initialised network; None where nobody knows how.
        layout: of the file that was loaded, or that is to be written.
        origin: the file that was loaded, or None.
    """

    def __init__(
        self, name: str, template: Build, *, build: Build | None, layout: Layout, origin: Path | None = None
    ) -> None:
        self.factory, self.layout = name, layout
        self._template, self._build = template, build
        self.origin = origin.parent if origin is not None else None
        self.kept: dict[str, bytes] = {}

    def build(self) -> nn.Module:
        """A freshly initialised network.

        Raises:
            Unavailable: nobody said how to build one.
        """
        if self._build is None:
            raise Unavailable(f"no freshly initialised model: {self.factory} came without a factory that builds one")
        return widened(built(self._build, self.factory))

    def stored(self, net: nn.Module) -> State:
        """What the file of this network holds."""
        return arranged(net.state_dict(), self.layout)

    def write(self, net: nn.Module, directory: Path) -> None:
        """Write the file of weights."""
        write_weights(self.stored(net), directory, self.layout)

    def reread(self, directory: Path) -> State:
        """What the file in `directory` holds."""
        return read_weights(directory / self.file).state

    def read(self, directory: Path) -> nn.Module:
        """The network with the weights in `directory`."""
        return read_into(self._template, self.factory, directory / self.file)[0]

    @property
    def file(self) -> str:
        """Name of the file of weights."""
        return next(iter(self.layout.places.values()))


def read_into(template: Build, name: str, path: Path) -> tuple[nn.Module, Stored]:
    """A network with the weights of a file, and what the file was like.

    Raises:
        ModelError: the file is unsafe or damaged, or does not fit.
    """
    stored = read_weights(path)
    net = widened(built(template, name))
    stored = without_prefix(stored, net.state_dict())
    load_into(net, stored.state, str(path))
    return net, stored


def widened(net: nn.Module) -> nn.Module:
    """Half-precision weights become fp32 to compute with; their file stays as narrow as it came."""
    return net.float() if any(parameter.dtype in NARROW for parameter in net.parameters()) else net


def _named(module: str, attribute: str) -> Any:
    try:
        with _current_directory_first():
            importlib.invalidate_caches()
            found = importlib.import_module(module)
    except Exception as error:  # a module that is not there, or any fault in the user's code
        came = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ModelError("model", expected="package.module:factory that can be imported", came=came) from error
    made = getattr(found, attribute, None)
    if not callable(made):
        raise ModelError("model", expected=f"a function {attribute!r} in {module}", came="none")
    return made


@contextmanager
def _current_directory_first() -> Iterator[None]:
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        if here in sys.path:
            sys.path.remove(here)


def _network(make: Callable[[], object], name: str) -> nn.Module:
    found = make()
    if not isinstance(found, nn.Module):
        raise ModelError("model", expected=f"{name} to return a torch.nn.Module", came=type(found).__name__)
    return found
