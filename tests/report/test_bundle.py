"""Bundles: the same bytes from the same run, every change found, signatures that OpenSSL understands."""

from __future__ import annotations

import io
import posixpath
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

import pytest

from testbed.cli import main
from testbed.core import extras
from testbed.core.errors import MissingExtraError, StoreError, UsageError
from testbed.core.records import EpisodeRecord
from testbed.report import build, bundle, bundle_check, signature
from testbed.store import RunFolder, RunManifest


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, synthetic: ModuleType) -> Path:
    path = tmp_path_factory.mktemp("runs") / "demo"
    synthetic.write_run(path, agents=("dnn",), seeds=range(101, 103), duration_s=2.0, images=False)
    build(path, videos=False)
    return path


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    folder = tmp_path_factory.mktemp("keys")
    private = Ed25519PrivateKey.generate()
    pem = form.Encoding.PEM
    (folder / "private.pem").write_bytes(private.private_bytes(pem, form.PrivateFormat.PKCS8, form.NoEncryption()))
    (folder / "public.pem").write_bytes(private.public_key().public_bytes(pem, form.PublicFormat.SubjectPublicKeyInfo))
    return folder / "private.pem", folder / "public.pem"


def changed(source: Path, target: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """Write a bundle again with other content."""
    with zipfile.ZipFile(source) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target


def listed(files: dict[str, bytes]) -> None:
    """Make the list of checksums right again, as somebody would who wants a change to pass."""
    import hashlib

    names = sorted(set(files) - {"SHA256SUMS", "SHA256SUMS.sig"})
    files["SHA256SUMS"] = "".join(f"{hashlib.sha256(files[n]).hexdigest()}  {n}\n" for n in names).encode()


def test_the_same_run_gives_the_same_bytes(run: Path, tmp_path: Path) -> None:
    count = bundle.pack(run, tmp_path / "a.zip")
    assert bundle.pack(run, tmp_path / "b.zip") == count
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    found = bundle_check.check(tmp_path / "a.zip")
    assert found.damage == [] and (found.files, found.signed) == (count, "no")
    assert found.episodes == 7 and found.traces_left_out == 6 and found.cited > 0
    assert not list(tmp_path.glob(".tmp*"))


def test_traces_go_with_it_on_demand_and_plain_tools_check_it(run: Path, tmp_path: Path) -> None:
    bundle.pack(run, tmp_path / "a.zip", traces=True)
    found = bundle_check.check(tmp_path / "a.zip")
    assert found.damage == [] and found.traces_left_out == 0
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        archive.extractall(tmp_path / "un")
    assert RunFolder.open(tmp_path / "un").verify() == []
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=tmp_path / "un", check=True)


CHANGES: Mapping[str, tuple[Callable[[dict[str, bytes]], object], str]] = {
    "a byte": (lambda files: files.update({"summary.md": b"all is well"}), "summary.md differs from its checksum"),
    "a file less": (lambda files: files.pop("junit.xml"), "junit.xml is missing"),
    "a file more": (lambda files: files.update({"more.txt": b""}), "more.txt is not in SHA256SUMS"),
    "a line": (lambda files: files.update({"SHA256SUMS": files["SHA256SUMS"] + b"x\n"}), "makes no sense: 'x'"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_is_found(run: Path, tmp_path: Path, name: str) -> None:
    bundle.pack(run, tmp_path / "a.zip")
    change, told = CHANGES[name]
    found = bundle_check.check(changed(tmp_path / "a.zip", tmp_path / "b.zip", change))  # type: ignore[arg-type]
    assert any(told in sentence for sentence in found.damage), found.damage


STRANGE = {
    "../../evil.txt": "is no name of a file in a bundle",
    "/etc/evil": "is no name of a file in a bundle",
    "C:\\evil": "is no name of a file in a bundle",
    "a/./b": "is no name of a file in a bundle",
    "Summary.md": "'Summary.md' and 'summary.md' are one name",
}


@pytest.mark.parametrize("name", STRANGE)
def test_names_that_lead_elsewhere_are_damage(run: Path, tmp_path: Path, name: str) -> None:
    bundle.pack(run, tmp_path / "a.zip")

    def add(files: dict[str, bytes]) -> None:
        files[name] = b"evil"
        listed(files)

    found = bundle_check.check(changed(tmp_path / "a.zip", tmp_path / "b.zip", add))
    assert any(STRANGE[name] in sentence for sentence in found.damage), found.damage


def test_a_file_that_would_fill_the_disk_is_not_read(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle.pack(run, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.bin", bytes(65 << 20))
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    found = bundle_check.check(tmp_path / "a.zip")
    assert found.damage == [
        "zeros.bin would unpack to 68,157,440 bytes, more than 200 times what is packed",
    ]


def test_nothing_hides_around_the_files(run: Path, tmp_path: Path) -> None:
    bundle.pack(run, tmp_path / "a.zip")
    whole, changed_ = (tmp_path / "a.zip").read_bytes(), tmp_path / "b.zip"
    for content, told in ((b"junk" + whole, "before"), (whole + b"junk", "")):
        changed_.write_bytes(content)
        try:
            damage = bundle_check.check(changed_).damage
        except StoreError as error:
            damage = [str(error)]
        assert len(damage) == 1 and "b.zip" in damage[0] and told in damage[0]
    shutil.copy(tmp_path / "a.zip", changed_)
    with zipfile.ZipFile(changed_, "a") as archive:
        archive.comment = b"trust me"
    assert bundle_check.check(changed_).damage == [f"{changed_} holds data after its files"]
    with zipfile.ZipFile(changed_, "w") as archive:  # what stands between two members belongs to none
        archive.writestr("SHA256SUMS", "")
        archive.fp.write(b"junk")  # type: ignore[union-attr]
        archive.start_dir = archive.fp.tell()  # type: ignore[union-attr, attr-defined]
        archive.writestr("a", "")
    assert bundle_check.check(changed_).damage == [f"{changed_} holds data between its files"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_twice_or_a_link_is_named(run: Path, tmp_path: Path) -> None:
    bundle.pack(run, tmp_path / "a.zip")
    link = zipfile.ZipInfo("link.txt")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as archive:
        archive.writestr("summary.md", b"all is well")
        archive.writestr(link, "/etc/passwd")
    found = bundle_check.check(tmp_path / "a.zip")
    assert found.damage == ["summary.md is in it 2 times", "link.txt is no plain file"]


def _other_record(files: dict[str, bytes]) -> None:
    name = next(name for name in files if name.endswith("record.json"))
    files[name] = files[name].replace(b'"wall_s": ', b'"wall_s": 1')
    listed(files)


def _other_citation(files: dict[str, bytes]) -> None:
    head, mark, rest = files["case-dnn.gsn.yaml"].partition(b"evidence: sha256 ")
    files["case-dnn.gsn.yaml"] = head + mark + b"0" * 64 + rest[64:]
    listed(files)


def _fewer_drives(files: dict[str, bytes]) -> None:
    files["evidence.csv"] = b"\n".join(files["evidence.csv"].split(b"\n")[:3]) + b"\n"
    listed(files)


def _no_evidence(files: dict[str, bytes]) -> None:
    files["evidence.csv"] = b"drive\nx\n"
    listed(files)


@pytest.mark.parametrize(
    ("change", "told"),
    [(_other_record, "record.json is not the file that was stored"),
     (_other_citation, "cites other drives than evidence.csv lists"),
     (_fewer_drives, "cites other drives than evidence.csv lists")],
)  # fmt: skip
def test_a_case_must_agree_with_the_records(
    run: Path, tmp_path: Path, change: Callable[[dict[str, bytes]], None], told: str
) -> None:
    bundle.pack(run, tmp_path / "a.zip")
    found = bundle_check.check(changed(tmp_path / "a.zip", tmp_path / "b.zip", change))
    assert any(told in sentence for sentence in found.damage), found.damage


def _claim_with(files: dict[str, bytes]) -> None:
    files["requirements.csv"] = files["requirements.csv"].replace(b"undeveloped", b"supported")


def _goals_with(files: dict[str, bytes]) -> None:
    files["case-dnn.gsn.yaml"] = files["case-dnn.gsn.yaml"].replace(b"undeveloped", b"supported")


def _page_with(files: dict[str, bytes]) -> None:
    files["index.html"] = files["index.html"].replace(b"undeveloped", b"supported")


def _no_case(files: dict[str, bytes]) -> None:
    for name in [name for name in files if name.startswith("case-")]:
        del files[name]


def _table_with(files: dict[str, bytes]) -> None:
    files["episodes.parquet"] = files["episodes.parquet"][:-9] + b"x" + files["episodes.parquet"][-8:]


def _another_file(files: dict[str, bytes]) -> None:
    files["approval.html"] = b"all is well"


@pytest.mark.parametrize("traces", [False, True])
@pytest.mark.parametrize(
    ("change", "told"),
    [(_claim_with, "requirements.csv does not follow from the records"),
     (_goals_with, "case-dnn.gsn.yaml does not follow from the records"),
     (_page_with, "index.html does not follow from the records"),
     (_table_with, "episodes.parquet does not follow from the records"),
     (_no_case, "case-dnn.gsn.yaml is missing: the records give it"),
     (_another_file, "approval.html does not follow from the records: they give no such file")],
)  # fmt: skip
def test_a_report_must_follow_from_the_records(
    run: Path, tmp_path: Path, change: Callable[[dict[str, bytes]], None], told: str, traces: bool
) -> None:
    def forge(files: dict[str, bytes]) -> None:
        change(files)
        listed(files)

    bundle.pack(run, tmp_path / "a.zip", traces=traces)
    forged = changed(tmp_path / "a.zip", tmp_path / "b.zip", forge)
    found = bundle_check.check(forged)
    assert any(told in sentence for sentence in found.damage), found.damage
    assert main(["verify", str(forged)]) == 3


def _beside_a_record(files: dict[str, bytes]) -> None:
    folder = next(name for name in files if name.endswith("record.json")).rpartition("/")[0]
    files[f"{folder}/approval.html"] = b"all is well"


def _among_the_episodes(files: dict[str, bytes]) -> None:
    files["episodes/approval.html"] = b"all is well"


def _a_trace_less(files: dict[str, bytes]) -> None:
    del files[next(name for name in files if name.endswith("trace.mcap"))]


@pytest.mark.parametrize(
    ("change", "told"),
    [(_beside_a_record, "approval.html is no stored file of an episode"),
     (_among_the_episodes, "episodes/approval.html is no stored file of an episode"),
     (_a_trace_less, "trace.mcap is missing")],
)  # fmt: skip
def test_nothing_else_lies_among_the_episodes_and_traces_are_all_there_or_none(
    run: Path, tmp_path: Path, change: Callable[[dict[str, bytes]], None], told: str
) -> None:
    def forge(files: dict[str, bytes]) -> None:
        change(files)
        listed(files)

    bundle.pack(run, tmp_path / "a.zip", traces=True)
    found = bundle_check.check(changed(tmp_path / "a.zip", tmp_path / "b.zip", forge))
    assert len(found.damage) == 1 and told in found.damage[0]


def test_the_same_rows_are_the_same_table_however_they_are_packed(run: Path, tmp_path: Path) -> None:
    import pyarrow.parquet

    def again(files: dict[str, bytes]) -> None:
        stream = io.BytesIO()
        table = pyarrow.parquet.read_table(io.BytesIO(files["episodes.parquet"]))
        pyarrow.parquet.write_table(table, stream, compression="none")
        files["episodes.parquet"] = stream.getvalue()
        listed(files)

    bundle.pack(run, tmp_path / "a.zip")
    assert bundle_check.check(changed(tmp_path / "a.zip", tmp_path / "b.zip", again)).damage == []


def test_a_bundle_with_pictures_clips_and_a_case_of_ones_own_follows_from_its_records(
    tmp_path: Path, synthetic: ModuleType
) -> None:
    synthetic.write_run(tmp_path / "r", agents=("dnn",), seeds=range(101, 102), duration_s=2.0)
    (tmp_path / "r" / "safety_case.yaml").write_text("assumptions:\n  - {id: AS-1, text: Nobody takes over.}\n")
    bundle.pack(tmp_path / "r", tmp_path / "a.zip", traces=True)
    assert b"data:video/webm" in packed(tmp_path / "a.zip")["index.html"]
    assert bundle_check.check(tmp_path / "a.zip").damage == []


def test_what_is_no_bundle_is_one_sentence(run: Path, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK no zip")
    with pytest.raises(StoreError, match="no bundle"):
        bundle_check.check(tmp_path / "a.zip")
    changed_ = changed(_empty(tmp_path / "b.zip"), tmp_path / "c.zip", lambda files: None)
    with pytest.raises(StoreError, match="it has no SHA256SUMS"):
        bundle_check.check(changed_)
    with pytest.raises(StoreError):
        bundle_check.check(tmp_path / "none.zip")
    bundle.pack(run, tmp_path / "d.zip")
    with pytest.raises(StoreError, match="makes no sense: KeyError"):
        bundle_check.check(changed(tmp_path / "d.zip", tmp_path / "e.zip", _no_evidence))


def _empty(path: Path) -> Path:
    with zipfile.ZipFile(path, "w"):
        return path


def test_a_signature_binds_the_list_to_a_key(run: Path, tmp_path: Path, keys: tuple[Path, Path]) -> None:
    private, public = keys
    bundle.pack(run, tmp_path / "a.zip", key=private)
    assert bundle_check.check(tmp_path / "a.zip").signed == "not checked"
    assert bundle_check.check(tmp_path / "a.zip", public).signed == "yes"

    def forge(files: dict[str, bytes]) -> None:
        files["summary.md"] = b"all is well"
        listed(files)

    found = bundle_check.check(changed(tmp_path / "a.zip", tmp_path / "b.zip", forge), public)
    assert any("is not the signature of SHA256SUMS" in sentence for sentence in found.damage)
    bundle.pack(run, tmp_path / "c.zip")
    assert bundle_check.check(tmp_path / "c.zip", public).damage == [f"{tmp_path / 'c.zip'} is not signed"]


def test_openssl_agrees(run: Path, tmp_path: Path, keys: tuple[Path, Path]) -> None:
    if not shutil.which("openssl"):
        pytest.skip("no openssl here")
    private = tmp_path / "private.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(private)], check=True)
    subprocess.run(
        ["openssl", "pkey", "-in", str(private), "-pubout", "-out", str(tmp_path / "public.pem")], check=True
    )
    bundle.pack(run, tmp_path / "a.zip", key=private)
    assert bundle_check.check(tmp_path / "a.zip", tmp_path / "public.pem").signed == "yes"
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        archive.extractall(tmp_path / "un")
    command = "openssl pkeyutl -verify -pubin -inkey ../public.pem -rawin -in SHA256SUMS -sigfile SHA256SUMS.sig"
    subprocess.run(command.split(), cwd=tmp_path / "un", check=True, capture_output=True)


def test_a_key_that_is_none_is_one_sentence(run: Path, tmp_path: Path, keys: tuple[Path, Path]) -> None:
    private, public = keys
    with pytest.raises(UsageError, match="no private key"):
        signature.sign(b"", public)
    with pytest.raises(UsageError, match="cannot be read.*openssl genpkey"):
        signature.sign(b"", tmp_path / "none.pem")
    with pytest.raises(UsageError, match=f"no public key.*openssl pkey -in {private} -pubout -out public.pem"):
        signature.is_signed_by(b"", b"", private)
    (tmp_path / "text.pem").write_text("no key")
    for wrong in (tmp_path / "text.pem", tmp_path, public):
        with pytest.raises(UsageError) as caught:
            signature.sign(b"", wrong)
        assert "openssl" not in str(caught.value)  # what it would write may be a key that is in use
    with pytest.raises(UsageError, match="no public key that can be read"):
        signature.is_signed_by(b"", b"", tmp_path / "text.pem")


def test_an_encrypted_key_is_told_from_none(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    closed = form.BestAvailableEncryption(b"secret")
    content = Ed25519PrivateKey.generate().private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, closed)
    (tmp_path / "private.pem").write_bytes(content)
    with pytest.raises(UsageError, match="private.pem is encrypted.*decrypt it first") as caught:
        signature.sign(b"", tmp_path / "private.pem")
    assert "-out NEW.pem" in str(caught.value)


def test_without_the_extra_a_signature_says_what_to_type(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.serialization", None)
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'v2lm-testbed\[sign\]'"):
        signature.sign(b"", tmp_path / "k.pem")
    assert extras.MODULES["sign"] == ("cryptography",)


def packed(bundle_: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(bundle_) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("traces", [False, True])
def test_nothing_edited_by_hand_is_packed(run: Path, tmp_path: Path, traces: bool) -> None:
    copied = tmp_path / run.name
    shutil.copytree(run, copied)
    for name in ("requirements.csv", "case-dnn.gsn.yaml", "index.html", "junit.xml", "case-dnn.svg"):
        path = copied / name
        path.write_text(path.read_text("utf-8").replace("undeveloped", "supported"), "utf-8")
    (copied / "case-other.gsn.yaml").write_text("G-top: {text: all is well}")
    bundle.pack(run, tmp_path / "a.zip", traces=traces)
    bundle.pack(copied, tmp_path / "b.zip", traces=traces)
    assert packed(tmp_path / "a.zip") == packed(tmp_path / "b.zip")
    assert not list(tmp_path.glob(".tmp*"))


@pytest.mark.parametrize("traces", [False, True])
def test_no_link_of_a_bundle_is_dead(run: Path, tmp_path: Path, traces: bool) -> None:
    bundle.pack(run, tmp_path / "a.zip", traces=traces)
    files = packed(tmp_path / "a.zip")
    assert sum(name.startswith("drives/") for name in files) == 6
    for name in [name for name in files if name.endswith(".html")]:
        for link in re.findall(r'href="([^"#:]+)["#]', files[name].decode()):
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), link))
            assert any(file == target or file.startswith(f"{target}/") for file in files), (name, link)


def test_only_a_bundle_is_replaced(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copied = tmp_path / "r"
    shutil.copytree(run, copied)
    trace = next((copied / "episodes").glob("*/trace.mcap"))
    (tmp_path / "notes.zip").write_text("mine")
    _empty(tmp_path / "other.zip")
    (tmp_path / "folder.zip").mkdir()
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for out, told in (
        (copied / "manifest.json", "must end with .zip"),
        (trace, "must end with .zip"),
        (tmp_path / "b3", "must end with .zip"),
        (copied / "episodes" / "a.zip", "lies among the stored episodes"),
        (copied / "episodes.zip/", None),
        (tmp_path / "notes.zip", "exists and is no bundle"),
        (tmp_path / "other.zip", "exists and is no bundle"),
        (tmp_path / "folder.zip", "is a folder"),
        (tmp_path / "none" / "a.zip", "is no folder"),
    ):
        name = str(out) if told is not None else f"{out}/"
        assert main(["bundle", str(copied), "--out", name]) == 2
        assert (told or "is the name of a folder") in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == kept
    bundle.pack(copied, tmp_path / "a.zip")
    bundle.pack(copied, tmp_path / "a.zip", traces=True)
    assert bundle_check.check(tmp_path / "a.zip").traces_left_out == 0


def test_a_bundle_of_the_folder_one_stands_in_lies_beside_it(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = tmp_path / "r"
    shutil.copytree(run, copied)
    monkeypatch.chdir(copied)
    assert main(["bundle", "."]) == 0
    assert (tmp_path / "r.zip").is_file()


def test_nothing_damaged_is_packed(run: Path, tmp_path: Path) -> None:
    copied = tmp_path / "r"
    shutil.copytree(run, copied)
    next((copied / "episodes").glob("*/trace.mcap")).write_bytes(b"x")
    with pytest.raises(StoreError, match="differs from its checksum"):
        bundle.pack(copied, tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists() and not list(tmp_path.glob(".tmp*"))


def test_a_trace_that_makes_no_sense_is_not_left_out_in_silence(tmp_path: Path, synthetic: ModuleType) -> None:
    plan = synthetic.plan("dnn", "benign", 101)
    folder = RunFolder.create(tmp_path / "r", RunManifest.of("r", [plan]))
    (tmp_path / "trace.mcap").write_bytes(b"no trace")
    folder.write_episode(EpisodeRecord(plan=plan), trace=tmp_path / "trace.mcap")
    with pytest.raises(StoreError, match=plan.key[:12]):
        bundle.pack(tmp_path / "r", tmp_path / "a.zip")


def test_the_verbs(run: Path, tmp_path: Path, keys: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    private, public = keys
    out = tmp_path / "a.zip"
    assert main(["bundle", str(run), "--out", str(out), "--key", str(private)]) == 0
    assert "signed" in capsys.readouterr().out
    assert main(["verify", str(out), "--key", str(public)]) == 0
    assert "signed by the key" in capsys.readouterr().out
    assert main(["verify", str(changed(out, tmp_path / "b.zip", CHANGES["a byte"][0]))]) == 3  # type: ignore[arg-type]
    assert "damaged: summary.md differs" in capsys.readouterr().err
    assert main(["verify", str(run)]) == 2
    assert "--verify checks a run" in capsys.readouterr().err


def test_report_takes_a_case_and_refuses_a_wrong_one(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copied, mine = tmp_path / "r", tmp_path / "mine.yaml"
    shutil.copytree(run, copied)
    mine.write_text("requirements:\n  - {id: SR-1, text: It stays in its lane., claims: [lame]}\n")
    assert main(["report", str(copied), "--case", str(mine)]) == 2
    assert "mine.yaml:2:" in capsys.readouterr().err and not (copied / "safety_case.yaml").exists()
    mine.write_text(mine.read_text().replace("lame", "lane"))
    assert main(["report", str(copied), "--case", str(mine)]) == 0
    assert "SR-1" in (copied / "requirements.csv").read_text()
