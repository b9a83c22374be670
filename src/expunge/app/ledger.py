"""Use cases of the ledger: requests come in, are extended, withdrawn and closed; what is due; whether all is intact.

Addresses, names and days flow in, plain values flow out. Names enter the ledger as pseudonyms only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expunge.app.keys import Clock, check_current, now, passphrase_of
from expunge.app.ledgerkeys import drop, key_cards, keys_of
from expunge.app.ledgershow import shown
from expunge.app.ledgerviews import items_of, overdrawn, request_card
from expunge.app.recording import attestation_of, enter_attestation, enter_run, repair, run_body
from expunge.data.requests import ErasureRequest
from expunge.errors import InputError, RequestError
from expunge.evidence.files import read_file, write_new
from expunge.evidence.keyring import utc
from expunge.evidence.keys import read_private, read_public
from expunge.evidence.ledger.check import check_ledger
from expunge.evidence.ledger.deadlines import due_date, extended_due, read_day
from expunge.evidence.ledger.heads import FIELD, Head, read_head, seal_head
from expunge.evidence.ledger.pseudonyms import new_key, read_keys
from expunge.evidence.ledger.store import Ledger, View, make_ledger, open_ledger

HEAD_BYTES = 1 << 16


@dataclass(frozen=True)
class Books:
    """A ledger with the keys of its pseudonyms.

    Args:
        address: a SQLite file or postgresql://... key: file of the keys. clock: says what time it is.
    """

    address: str
    key: Path
    clock: Clock = now

    def migrate(self) -> dict[str, Any]:
        """Make the ledger, or bring its tables up to date."""
        before, after = make_ledger(self.address)
        return {"before": before, "after": after}

    def open(self) -> Ledger:
        """The ledger, with everything entered that happened to its runs while nobody was left to enter it.

        Raises:
            InputError: there is none, or it must be migrated first.
        """
        ledger = self.unrepaired()
        repair(ledger, read_keys(self.key) if self.key.exists() else [])
        return ledger

    def unrepaired(self) -> Ledger:
        """The ledger exactly as it is."""
        return open_ledger(self.address, lambda: utc(self.clock()))

    def add(self, asked: ErasureRequest, *, received: str | None = None, note: str = "") -> dict[str, Any]:
        """Enter a request; the answer says its number and by when it must be answered.

        Raises:
            InputError: nothing is asked for, the day is none or to come, or the key is not the ledger's.
        """
        today = self.clock().date()
        day = today if received is None else read_day(received, "received (--received)")
        if day > today:
            raise RequestError("received (--received)", expected=f"a day up to {today}", came=str(day))
        with self.open().writing() as writer:
            key, number = keys_of(self.key, writer)[-1], writer.received() + 1
            body = {
                "request": number,
                "received": day.isoformat(),
                "due": due_date(day).isoformat(),
                "subjects": key.pseudonyms("subject", asked.subjects),
                "pictures": key.pseudonyms("picture", asked.pictures),
                "note": note,
            }
            writer.append("request-received", body)
            return self._card(writer, number)

    def withdraw(self, number: int, reason: str = "") -> dict[str, Any]:
        """Whoever asked took it back: nothing is erased for this request any more."""
        return self._change("request-withdrawn", number, reason=reason)

    def extend(self, number: int, reason: str, *, months: int = 2) -> dict[str, Any]:
        """Move the deadline by one or two months; the person must be told within the first one, with the reason."""
        with self.open().writing() as writer:
            request = writer.register(f"request:{number}").open_request(number)
            due = extended_due(request.received, months).isoformat()
            writer.append("request-extended", {"request": number, "due": due, "reason": reason})
            return self._card(writer, number)

    def close(self, number: int, reason: str = "") -> dict[str, Any]:
        """The request is answered; where no run erased anything for it, there must be a reason."""
        return self._change("request-closed", number, reason=reason)

    def record(self, run: Path, requests: tuple[int, ...] = ()) -> dict[str, Any]:
        """Enter a finished run of any kind, and its attestation if it has one.

        Raises:
            InputError: it is no finished run, or the attestation beside it is not its own.
        """
        body, attestation = run_body(run, requests), attestation_of(run)
        with self.open().writing() as writer:
            entered = [enter_run(writer, body), enter_attestation(writer, body["run"], attestation)]
        return {"run": body["run"], "kind": body["kind"], "entered": any(entered)}

    def purged(self, requests: list[int], removed: list[str], kept: list[dict[str, str]]) -> None:
        """Enter receipts, under pseudonyms: what was deleted, and what was kept (`file`, `why`)."""
        with self.open().writing() as writer:
            writer.append("purged", {"requests": sorted(set(requests)), "removed": removed, "kept": kept})

    def items(self, kind: str) -> list[dict[str, Any]]:
        """Everything of a kind."""
        with self.open().reading() as view:
            return list(items_of(kind, view.register(), self.clock().date()))

    def show(self, name: str) -> dict[str, Any]:
        """What a number or a hash stands for, what it came from, and all that happened to it.

        Raises:
            RequestError: there is nothing of this name, or several things.
        """
        with self.open().reading() as view:
            return shown(view, name, self.clock().date())

    def due(self) -> list[dict[str, Any]]:
        """Open requests, the most urgent first."""
        return sorted(
            (r for r in self.items("requests") if r["state"] == "open"), key=lambda r: (r["due"], r["request"])
        )

    def to_retrain(self) -> list[dict[str, Any]]:
        """Models at the end of their lines that drifted so far that they should be trained anew."""
        with self.open().reading() as view:
            return overdrawn(view.register())

    def head(self, out: Path | None = None, key: Path | None = None, passphrase: Path | None = None) -> dict[str, Any]:
        """Number and hash of the last event; signed into a file, if there is a key.

        Raises:
            InputError: a file without a key, or a key without a file; or the keyring beside the key names another as
                the current one.
        """
        if (out is None) != (key is None):
            raise InputError("head", expected="--key and --out, or neither", came="one of them")
        with self.open().reading() as view:
            head = Head(*view.head(), utc(self.clock()))
        if out is not None and key is not None:
            signer = read_private(key, passphrase_of(passphrase))
            check_current(signer.public_key(), key, None, self.clock)
            write_new(out, seal_head(head, signer), "out (--out)")
        return {**vars(head), "out": str(out) if out else None}

    def check(self, head: Path | None = None, public_key: Path | None = None) -> dict[str, Any]:
        """Check every row, hash and rule; with a head also that nothing was removed or written anew up to it.

        Raises:
            InputError: naming the first event that is not as it must be.
        """
        if (head is None) != (public_key is None):
            raise InputError("check", expected="--head and --public-key, or neither", came="one of them")
        signed = None
        if head is not None and public_key is not None:
            signed = read_head(read_file(head, FIELD, most=HEAD_BYTES), read_public(public_key))
        with self.unrepaired().reading() as view:
            register = check_ledger(view, signed)
            events, last = view.head()
        proved = signed.sequence if signed is not None else 0
        return {
            "events": events,
            "requests": register.received,
            "runs": len(register.runs),
            "hash": last,
            "head": proved,
        }

    def new_key(self) -> dict[str, Any]:
        """Make a key for the pseudonyms of all requests from now on."""
        made = new_key(self.key, utc(self.clock()))
        return {"key": made.name, "file": str(self.key)}

    def keys(self) -> list[dict[str, Any]]:
        """The keys of the file and of the ledger."""
        with self.unrepaired().reading() as view:
            return key_cards(self.key, view)

    def drop_key(self, name: str) -> None:
        """Drop a key for good: nobody can tell any more whom its pseudonyms mean."""
        drop(self.key, self.unrepaired(), name)

    def _change(self, kind: str, number: int, *, reason: str) -> dict[str, Any]:
        with self.open().writing() as writer:
            writer.append(kind, {"request": number, "reason": reason})
            return self._card(writer, number)

    def _card(self, view: View, number: int) -> dict[str, Any]:
        return request_card(view.register(f"request:{number}").request(number), self.clock().date())
