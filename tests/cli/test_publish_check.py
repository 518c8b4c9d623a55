"""``rehub publish check``, ``card`` and ``pack`` as commands, where there is no TensorFlow."""

from __future__ import annotations

import json
from pathlib import Path

from rehub.archive.fingerprint import fingerprint, measure
from rehub.formats.card import read_card
from tests.cli import command
from tests.publish_static import models


def test_check_prints_no_problems_for_a_good_model(cache: Path, tmp_path: Path) -> None:
    folder = models.copy(models.CALLABLE, tmp_path / "model")
    code, out, err = command.call(cache, "publish", "check", "--no-run", folder)
    assert (code, out) == (0, "No problems found.\n")
    assert "not applied; --all lists them." in err


def test_check_says_that_the_model_was_not_run_where_tensorflow_is_missing(cache: Path, tmp_path: Path) -> None:
    folder = models.copy(models.CALLABLE, tmp_path / "model")
    code, out, _ = command.call(cache, "publish", "check", folder)
    assert code == 0
    assert "W501   all     The model was not run: TensorFlow is not installed.\n" in out
    assert out.endswith("0 errors, 1 warning\n")


def test_check_fails_for_errors_and_for_warnings_only_when_strict(cache: Path, tmp_path: Path) -> None:
    good = models.copy(models.CALLABLE, tmp_path / "good", card="")
    bad = models.copy(models.CALLABLE, tmp_path / "bad")
    (bad / "variables/variables.index").unlink()
    codes = {
        (folder.name, strict): command.call(cache, "publish", "check", "--no-run", folder, *strict)[0]
        for folder in (good, bad)
        for strict in ((), ("--strict",))
    }
    assert codes == {("good", ()): 0, ("good", ("--strict",)): 1, ("bad", ()): 1, ("bad", ("--strict",)): 1}


def test_check_prints_json_by_the_documented_schema(cache: Path, tmp_path: Path) -> None:
    folder = models.copy(models.CALLABLE, tmp_path / "model", card="")
    code, out, err = command.call(cache, "publish", "check", "--no-run", "--json", folder)
    report = json.loads(out)
    skipped = report.pop("skipped")

    assert (code, err) == (0, "")
    assert report == {
        "folder": str(folder),
        "format": "saved_model_2",
        "size_bytes": sum(size for size, _ in measure(folder).values()),
        "errors": 0,
        "warnings": 1,
        "findings": [
            {
                "severity": "warning",
                "code": "W601",
                "where": "card.md",
                "what": "there is no model card",
                "fix": "Run 'rehub publish card', and write what it leaves open.",
            }
        ],
    }
    assert {"code": "E302", "reason": "it does not concern a SavedModel of TensorFlow 2"} in skipped


def test_check_lists_rules_that_do_not_apply_on_request(cache: Path, tmp_path: Path) -> None:
    folder = models.copy(models.MODULE, tmp_path / "model")
    _, out, err = command.call(cache, "publish", "check", "--no-run", "--all", folder)
    assert "E205   it does not concern a module in the TF1 Hub format\n" in out
    assert "--all" not in err


def test_check_of_a_folder_that_does_not_exist_is_an_error(cache: Path, tmp_path: Path) -> None:
    code, out, err = command.call(cache, "publish", "check", tmp_path / "nothing")
    assert (code, out) == (1, "")
    assert "error: " in err


def test_card_is_written_and_found_by_check_until_its_template_is_filled(cache: Path, tmp_path: Path) -> None:
    folder = models.copy(models.CALLABLE, tmp_path / "model", card="")
    file = folder / "card.md"
    options = ("--handle", "https://hub.invalid/acme/half-plus-two/1", "-o", file)

    assert command.call(cache, "publish", "card", folder, *options)[:2] == (0, f"{file}\n")
    assert models.codes(folder) == {"W605"}
    assert command.call(cache, "publish", "card", folder, *options)[0] == 1, "the card is the publisher's by now"

    file.write_text(file.read_text().replace("To be written:", "Done:"))
    assert models.codes(folder) == set()


def test_card_is_printed_with_what_the_files_tell(cache: Path) -> None:
    code, out, err = command.call(cache, "publish", "card", models.DATA / "saved_models" / "module")
    card = read_card(out.encode())

    assert (code, err) == (0, "")
    assert (card.tasks, card.format, card.fine_tunable) == (("text-embedding",), "saved_model_2", True)
    assert 'outputs = model(tf.constant(["a text", "and another one"]))' in card.body
    assert "| `both` | input | `left` | `float16[?, 2]` |" in card.body
    assert "| assets | `words.txt` |" in card.body


def test_pack_prints_what_it_wrote(cache: Path, tmp_path: Path) -> None:
    folder = models.copy(models.CALLABLE, tmp_path / "model")
    code, out, err = command.call(cache, "publish", "pack", folder)
    packed = tmp_path / "model.packed"

    assert (code, out) == (0, f"{packed / 'model.tar.gz'}\n{packed / 'manifest.json'}\n")
    assert err.endswith(f"pin: #sha256={fingerprint(measure(folder))}\n")


def test_pack_prints_json_on_request(cache: Path, tmp_path: Path) -> None:
    folder = models.copy(models.CALLABLE, tmp_path / "model")
    code, out, err = command.call(cache, "publish", "pack", "--json", "-o", tmp_path / "out", folder)
    facts = json.loads(out)

    assert (code, err) == (0, "")
    assert facts["folder"] == str(tmp_path / "out")
    assert facts["archive_bytes"] == (tmp_path / "out/model.tar.gz").stat().st_size
    assert facts["pin"] == fingerprint(measure(folder))
