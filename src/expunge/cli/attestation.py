"""The commands around attestations: `keys`, `attest`, `disclose` and `verify`; their flags, how answers are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any

import typer

from expunge.app.attest import AttestSettings, attest_run, disclose
from expunge.app.keys import KeyFolder, card, passphrase_of
from expunge.app.verify import VerifySettings, verify
from expunge.cli.flags import parameter
from expunge.cli.session import Answer, bad_field, conclude
from expunge.cli.terminal import Terminal

Values = Mapping[str, Any]
ACTIONS = ("new", "list", "rotate", "revoke")
SHOWN = 16
KEYS_HELP = (
    "Make, list, rotate or revoke the keys that sign attestations; the keyring says which was valid when.\n\n"
    "Example: `expunge keys new --keys keys`"
)
ATTEST_HELP = (
    "Sign what a finished erase run did: attestation.json, and openings.json (secret), beside it.\n\n"
    "Example: `expunge attest runs/erased --key keys/0123456789abcdef.pem`"
)
DISCLOSE_HELP = (
    "Write the opening of one erased picture to a file of its own, for the person on it.\n\n"
    "Example: `expunge disclose runs/erased/openings.json --picture 17 --out opening.json`"
)
VERIFY_HELP = (
    "Check an attestation: its signature, and if asked for the model's files, a picture, the whole run.\n\n"
    "Example: `expunge verify runs/erased/attestation.json --public-key keys/0123456789abcdef.pub.pem "
    "--model runs/erased`"
)


def _option(annotation: Any, flag: str, help: str, metavar: str | None = "PATH") -> Any:
    return Annotated[annotation, typer.Option(flag, help=help, metavar=metavar, rich_help_panel="Attestation")]


def _argument(name: str, help: str) -> Any:
    return Annotated[str, typer.Argument(metavar=name, help=help)]


PASSPHRASE = parameter(
    "passphrase_file", _option(str | None, "--passphrase-file", "File whose first line is the passphrase of the key.")
)
FACTORY = parameter(
    "factory",
    _option(str | None, "--factory", "package.module:factory of the network, where the run used one.", "TEXT"),
)


def keys_parameters() -> list[Parameter]:
    """The flags of `expunge keys`."""
    return [
        parameter("action", _argument("ACTION", f"One of {', '.join(ACTIONS)}."), Parameter.empty),
        parameter("keys", _option(str, "--keys", "Folder of the keys and their keyring."), "keys"),
        parameter("key_id", _option(str | None, "--key-id", "Beginning of the id of the key to revoke.", "TEXT")),
        parameter("reason", _option(str, "--reason", "Why it is revoked; everybody can read it.", "TEXT"), ""),
        PASSPHRASE,
    ]


def attest_parameters() -> list[Parameter]:
    """The flags of `expunge attest`; their defaults are those of `AttestSettings`."""
    given = AttestSettings(Path(), Path())
    return [
        parameter("run", _argument("RUN", "Directory of a finished `expunge erase`."), Parameter.empty),
        parameter("key", _option(str, "--key", "Private key that signs."), Parameter.empty),
        PASSPHRASE,
        parameter(
            "keyring",
            _option(str | None, "--keyring", "Keyring whose current key it must be; else that beside the key."),
        ),
        parameter(
            "request_id", _option(str | None, "--request-id", "What the request is called in your books.", "TEXT")
        ),
        FACTORY,
        parameter("device", _option(str, "--device", "auto, cpu, cuda, cuda:1, mps.", "TEXT"), given.device),
        parameter("threads", _option(int, "--threads", "CPU threads; 0 for torch's own choice.", "INT"), given.threads),
    ]


def disclose_parameters() -> list[Parameter]:
    """The flags of `expunge disclose`."""
    return [
        parameter("openings", _argument("OPENINGS", "File of openings."), Parameter.empty),
        parameter("picture", _option(str, "--picture", "Id of the picture.", "TEXT"), Parameter.empty),
        parameter("out", _option(str, "--out", "File to write."), Parameter.empty),
    ]


def verify_parameters() -> list[Parameter]:
    """The flags of `expunge verify`."""
    return [
        parameter("attestation", _argument("ATTESTATION", "File of an attestation."), Parameter.empty),
        parameter("public_key", _option(str, "--public-key", "Public key that you trust."), Parameter.empty),
        parameter(
            "keyring",
            _option(str | None, "--keyring", "Keyring of the signer: trust keys that follow, mind revocations."),
        ),
        parameter(
            "model", _option(str | None, "--model", "Model or run directory whose files must be those attested.")
        ),
        parameter("picture", _option(str | None, "--picture", "Picture file that must be in the erased set.")),
        parameter("openings", _option(str | None, "--openings", "File with the opening of that picture.")),
        parameter(
            "replay", _option(str | None, "--replay", "Run directory: erase again, and compare the model's files.")
        ),
        FACTORY,
    ]


def run_keys(values: Values) -> int:
    """Do what is asked for, and show what the keyring then says."""

    def work(_: Terminal) -> Answer:
        folder = KeyFolder(Path(values["keys"]), passphrase_of(_path(values["passphrase_file"])))
        ring = _action(values, folder)()
        found = [card(folder, record) for record in ring.records]
        if not values["json"]:
            print("\n".join([*map(told_key, found), f"keyring: {folder.keyring}"]))
        return {"keyring": str(folder.keyring), "items": found}

    return conclude(work, as_json=values["json"], debug=values["debug"])


def run_attest(values: Values) -> int:
    """Attest, and say where the files are."""

    def work(terminal: Terminal) -> Answer:
        settings = AttestSettings(
            run=Path(values["run"]),
            key=Path(values["key"]),
            passphrase=_path(values["passphrase_file"]),
            keyring=_path(values["keyring"]),
            request_id=values["request_id"],
            factory=values["factory"],
            device=values["device"],
            threads=values["threads"],
        )
        answer = attest_run(settings, desk=terminal)
        terminal.bars.stop()
        if not values["json"]:
            places = (f"attestation: {answer['attestation']}", f"openings (keep them secret): {answer['openings']}")
            print("\n".join([*places, *answer["notes"]]))
        return answer

    return conclude(work, as_json=values["json"], debug=values["debug"])


def run_disclose(values: Values) -> int:
    """Write one opening, and say where."""

    def work(_: Terminal) -> Answer:
        answer = disclose(Path(values["openings"]), values["picture"], Path(values["out"]))
        if not values["json"]:
            print(f"opening: {answer['out']}")
        return answer

    return conclude(work, as_json=values["json"], debug=values["debug"])


def run_verify(values: Values) -> int:
    """Check, and say what is proved and what is not."""

    def work(terminal: Terminal) -> Answer:
        settings = VerifySettings(
            attestation=Path(values["attestation"]),
            public_key=Path(values["public_key"]),
            keyring=_path(values["keyring"]),
            model=_path(values["model"]),
            picture=_path(values["picture"]),
            openings=_path(values["openings"]),
            replay=_path(values["replay"]),
            factory=values["factory"],
        )
        answer = verify(settings, desk=terminal)
        terminal.bars.stop()
        if not values["json"]:
            print("\n".join(told(answer)))
        return answer

    return conclude(work, as_json=values["json"], debug=values["debug"])


def told(answer: Mapping[str, Any]) -> list[str]:
    """What a checked attestation says, line by line."""
    proved = {
        "signature": f"signed by {answer['key'][:SHOWN]}, who says on {answer['made']}",
        "model": f"the model's {len(answer['model'])} files are those attested",
        "picture": f"the picture is one of the {answer['forget_set']['size']} erased ones",
        "replay": "erased again, the same files came out",
    }
    method, verdict = answer["method"]["name"], answer["verdict"]
    return [
        *(f"proved: {proved[name]}" for name in answer["proved"]),
        f"method: {method}; verdict: {verdict}",
        *answer["limits"],
        *answer["notes"],
    ]


def told_key(found: Mapping[str, Any]) -> str:
    """A key as a line of text."""
    until = f" to {found['until']}" if found["until"] else ""
    return f"{found['name']}  {found['state']}, from {found['since']}{until}"


def _action(values: Values, folder: KeyFolder) -> Callable[[], Any]:
    name, chosen = values["action"], values["key_id"]
    if name not in ACTIONS:
        raise bad_field("action", ", ".join(ACTIONS), repr(name))
    if name == "revoke" and not chosen:
        raise bad_field("key id (--key-id)", "the beginning of the id of a key", "nothing")
    actions: Mapping[str, Callable[[], Any]] = {
        "new": folder.new,
        "list": folder.read,
        "rotate": folder.rotate,
        "revoke": lambda: folder.revoke(chosen, values["reason"]),
    }
    return actions[name]


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
