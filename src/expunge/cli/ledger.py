"""The commands `expunge ledger ...`: their flags, and how their answers are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter
from pathlib import Path
from typing import Any

from expunge.app.erase import erase_files
from expunge.app.job import EraseJob
from expunge.app.ledger import Books
from expunge.app.ledgered import Recorded, erase_recorded
from expunge.app.ledgerkeys import ACTIONS
from expunge.app.ledgerviews import KINDS
from expunge.app.pending import erase_pending
from expunge.app.resolve import gather_request
from expunge.cli.flags import parameter
from expunge.cli.ledgerflags import NAMES, NUMBER, argument, books_of, option, reason
from expunge.cli.ledgerlines import told_check, told_drift, told_item, told_key, told_outcome, told_request, told_shown
from expunge.cli.session import Answer, bad_field, conclude
from expunge.cli.terminal import Terminal

Values = Mapping[str, Any]
HELP = "Requests with their deadlines, and what was done for them: append-only, and whoever changes it is found out."


@dataclass(frozen=True)
class SubCommand:
    """One of the commands: its help, its flags, what it asks of the ledger, and the lines that tell the answer."""

    help: str
    parameters: Sequence[Parameter]
    use: Callable[[Books, Values], Answer]
    tell: Callable[[Answer], Sequence[str]]

    def run(self, values: Values) -> int:
        """Do it, and show the answer."""

        def work(_: Terminal) -> Answer:
            answer = self.use(books_of(values), values)
            if not values["json"]:
                for line in self.tell(answer):
                    print(line)
            return answer

        return conclude(work, as_json=values["json"], debug=values["debug"])


def erase(values: Values, job: EraseJob, terminal: Terminal) -> Recorded:
    """Erase; for a request of the ledger, where the flags name one."""
    number, resume = values["request_id"], values["resume"]
    if number is not None:
        return erase_recorded(job, desk=terminal, books=books_of(values), number=number, resume=resume)
    if values["ledger"] or values["pseudonym_key"] or values["one_by_one"]:
        raise bad_field("request id (--request-id)", "the number of a request of the ledger, or --pending", "nothing")
    return Recorded(erase_files(job, desk=terminal, resume=resume), already=False)


def erase_all(values: Values, job: EraseJob, terminal: Terminal) -> Answer:
    """Erase for all open requests of the ledger."""
    if values["request_id"] is not None:
        raise bad_field("request id (--request-id)", "none with --pending", str(values["request_id"]))
    found = erase_pending(job, desk=terminal, books=books_of(values), one_by_one=values["one_by_one"])
    if not values["json"]:
        for line in told_outcome(found):
            print(line)
    return {
        "items": [
            {**vars(one), "requests": list(one.requests), "run": str(one.run) if one.run else None}
            for one in found.answered
        ],
        "left": [{"request": number, "why": why} for number, why in found.left.items()],
        "model": found.model,
        "drift": found.drift,
    }


def _add(books: Books, values: Values) -> Answer:
    subjects, pictures = (tuple(values[name] or ()) for name in ("subjects", "pictures"))
    asked = gather_request(subjects, pictures, _path(values["file"]))
    return books.add(asked, received=values["received"], note=values["note"])


def _list(books: Books, values: Values) -> Answer:
    if values["kind"] not in KINDS:
        raise bad_field("kind", ", ".join(KINDS), repr(values["kind"]))
    return {"items": books.items(values["kind"])}


def _head(books: Books, values: Values) -> Answer:
    return books.head(*(_path(values[name]) for name in ("out", "key", "passphrase_file")))


def _check(books: Books, values: Values) -> Answer:
    return books.check(*(_path(values[name]) for name in ("head", "public_key")))


def _key(books: Books, values: Values) -> Answer:
    action, chosen = values["action"], values["key_id"]
    if action not in ACTIONS:
        raise bad_field("action", ", ".join(ACTIONS), repr(action))
    if (action == "drop") != bool(chosen):
        raise bad_field("key id (--key-id)", "the id of a key with drop, and only there", repr(chosen))
    if action == "new":
        books.new_key()
    if action == "drop":
        books.drop_key(chosen)
    return {"items": books.keys()}


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _one(answer: Answer) -> list[str]:
    return [told_request(answer)]


def _several(answer: Answer) -> list[str]:
    return [told_item(card) for card in answer["items"]]


SUB_COMMANDS: Mapping[str, SubCommand] = {
    "migrate": SubCommand(
        "Make a ledger, or bring the tables of the one that is there up to date.\n\n"
        "Example: `expunge ledger migrate --ledger ledger.db`",
        [],
        lambda books, _: books.migrate(),
        lambda answer: [f"ledger: revision {answer['before'] or 'none'} -> {answer['after']}"],
    ),
    "key": SubCommand(
        "Make, list or drop the keys of the pseudonyms. Without its key nobody can tell whom a pseudonym means.\n\n"
        "Example: `expunge ledger key new`",
        [
            parameter("action", argument(str, "ACTION", f"One of {', '.join(ACTIONS)}."), Parameter.empty),
            parameter("key_id", option(str | None, "--key-id", "Id of the key to drop, for good.", "TEXT")),
        ],
        _key,
        lambda answer: [told_key(card) for card in answer["items"]],
    ),
    "add": SubCommand(
        "Enter a request; the answer says its number, and by when it must be answered (GDPR Art. 12(3)).\n\n"
        "Example: `expunge ledger add --forget-subject P0120 --received 2026-03-01 --note ticket-311`",
        [
            *NAMES,
            parameter("received", option(str | None, "--received", "Day on which it came (today).", "YYYY-MM-DD")),
            parameter("note", option(str, "--note", "What it is called in your books; not a name.", "TEXT"), ""),
        ],
        _add,
        _one,
    ),
    "list": SubCommand(
        "All requests, runs, audits, models, datasets or attestations.\n\nExample: `expunge ledger list models`",
        [parameter("kind", argument(str, "KIND", f"One of {', '.join(KINDS)}."), "requests")],
        _list,
        _several,
    ),
    "show": SubCommand(
        "A request by its number, or a run, model, dataset or attestation by its hash: what it is, what it came from, "
        "and all that happened to it.\n\n"
        "Example: `expunge ledger show 7`",
        [parameter("name", argument(str, "NAME", "Number, or beginning of a hash."), Parameter.empty)],
        lambda books, values: books.show(values["name"]),
        told_shown,
    ),
    "withdraw": SubCommand(
        "Whoever asked took the request back; nothing is erased for it any more.\n\n"
        "Example: `expunge ledger withdraw 7`",
        [NUMBER, reason("Why.")],
        lambda books, values: books.withdraw(values["number"], values["reason"]),
        _one,
    ),
    "extend": SubCommand(
        "Move the deadline; tell the person so, with the reason, within one month of the request (GDPR Art. 12(3)).\n\n"
        "Example: `expunge ledger extend 7 --reason 'many requests at once'`",
        [
            NUMBER,
            reason("Why.", Parameter.empty),
            parameter("months", option(int, "--months", "By how many: 1 or 2.", "INT"), 2),
        ],
        lambda books, values: books.extend(values["number"], values["reason"], months=values["months"]),
        _one,
    ),
    "close": SubCommand(
        "The request is answered. Where no run erased anything for it, say why with --reason.\n\n"
        "Example: `expunge ledger close 7`",
        [NUMBER, reason("Why nothing was erased.")],
        lambda books, values: books.close(values["number"], values["reason"]),
        _one,
    ),
    "due": SubCommand(
        "Open requests, the most urgent first; and models that drifted so far that they should be trained anew.\n\n"
        "Example: `expunge ledger due`",
        [],
        lambda books, _: {"items": books.due(), "retrain": books.to_retrain()},
        lambda answer: [*_several(answer), *map(told_drift, answer["retrain"])],
    ),
    "record": SubCommand(
        "Enter a finished run that the ledger does not know, or its attestation.\n\n"
        "Example: `expunge ledger record runs/audit --request-id 7`",
        [
            parameter("run", argument(str, "RUN", "Directory of a finished run."), Parameter.empty),
            parameter(
                "numbers", option(list[int] | None, "--request-id", "Request that it is for; repeatable.", "INT")
            ),
        ],
        lambda books, values: books.record(Path(values["run"]), tuple(values["numbers"] or ())),
        lambda answer: [f"{answer['run']}  {answer['kind']}{'' if answer['entered'] else ', known already'}"],
    ),
    "head": SubCommand(
        "Number and hash of the last event; with --key and --out signed, to be kept elsewhere.\n\n"
        "Example: `expunge ledger head --key keys/0123456789abcdef.pem --out head-2026-03-01.json`",
        [
            parameter("out", option(str | None, "--out", "File to write.", "PATH")),
            parameter("key", option(str | None, "--key", "Private key that signs (expunge keys new).", "PATH")),
            parameter("passphrase_file", option(str | None, "--passphrase-file", "File with its passphrase.", "PATH")),
        ],
        _head,
        lambda answer: [f"{answer['sequence']} {answer['hash']}"],
    ),
    "check": SubCommand(
        "Check every row, hash and rule; with a head also that nothing up to it was removed or written anew.\n\n"
        "Example: `expunge ledger check --head head-2026-03-01.json --public-key keys/0123456789abcdef.pub.pem`",
        [
            parameter("head", option(str | None, "--head", "Signed head.", "PATH")),
            parameter("public_key", option(str | None, "--public-key", "Key that signed it.", "PATH")),
        ],
        _check,
        told_check,
    ),
}
