"""What is wrong with a Pulumi.<stack>.yaml by itself: its sections, its keys, its names, its secrets."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from stacks.errors import Advice, Edit, Problem, Remove, Write, choice, found, near
from stacks.foreign_keys import FOREIGN_KEYS
from stacks.json_schema import schema_of
from stacks.origin import Json, KeyPath
from stacks.schema import Experiment, Site
from stacks.source import mapping_in, written
from stacks.stack_file import KEYS, PARTS, PROJECT, StackFile

_TOP = ("config", "encryptionsalt", "encryptedkey", "secretsprovider")
_OVERRIDE: KeyPath = ("config", f"{PROJECT}:override")
_NONCE_BYTES, _TAG_BYTES = 12, 16
"""AES-256-GCM, with which Pulumi encrypts by a passphrase or a key."""
_CLOUD_HEAD = bytes([0, 0, 1, 0])
"""Start of what Pulumi Cloud encrypts, in base64 `AAABA`. Keys of S3 are valid base64 too, but for this."""


def of_stack_file(
    file: StackFile, known: Mapping[str, Sequence[str]], secret_names: Sequence[str] | None
) -> Iterator[Problem]:
    """Yield the problems of the file of a stack.

    Args:
        file: the file.
        known: the existing names of each of PARTS.
        secret_names: secrets that the stack needs; None while the configuration is not valid.
    """
    yield from _Checker(file, known, secret_names).problems()


class _Checker:
    def __init__(self, file: StackFile, known: Mapping[str, Sequence[str]], secret_names: Sequence[str] | None) -> None:
        self._file = file
        self._known = known
        self._secrets = secret_names
        self._name = file.tree.origins[()].file
        self._meant: set[str] = set()
        """Keys of the project that are there, but misspelt or in a wrong place."""

    def problems(self) -> Iterator[Problem]:
        keys = [problem for key in self._file.entries for problem in self._key(key)]
        top = list(self._top())  # both find keys that are not missing, only misplaced
        yield from top
        for part, names in self._known.items():
            yield from self._part_name(part, names)
        yield from self._override()
        yield from keys
        yield from self._salt()

    def _problem(self, path: KeyPath, sentence: str, *edits: Edit) -> Problem:
        return Problem(self._file.tree.nearest_origin(path).place, sentence, edits)

    def _move(self, path: KeyPath, to: KeyPath, value: Json) -> tuple[Edit, ...]:
        return Remove(self._name, path), Write(self._name, to, value)

    # Sections

    def _top(self) -> Iterator[Problem]:
        top = self._file.tree.value if isinstance(self._file.tree.value, dict) else {}
        for key, value in top.items():
            if key == "environment":
                yield self._problem(
                    (key,),
                    "found the key `environment`: the program reads this file alone, so Pulumi ESC would change "
                    "nothing: write the values here, and remove it",
                    Remove(self._name, (key,)),
                )
            elif key not in _TOP:
                yield self._unknown_section(key, value, top)
            elif key == "config" and not isinstance(value, dict) and not self._meant_at_top(top):
                yield self._problem(
                    (key,), f"config: found {found(value)}: must be a mapping: write `{PROJECT}:site: …` in it"
                )

    def _meant_at_top(self, top: Mapping[str, Json]) -> bool:
        return any(_own_key(key) for key in top)

    def _unknown_section(self, key: str, value: Json, top: Mapping[str, Json]) -> Problem:
        found_key = f"found the key `{key}`, which Pulumi does not know"
        if ours := _own_key(key):
            self._meant.add(ours)
            edits = self._move((key,), ("config", ours), value)
            return self._problem((key,), f"{found_key}: move it below `config:` as `{ours}`", *edits)
        meant = near(key, [each for each in _TOP if each not in top])
        if meant == "config" and isinstance(value, dict):
            self._meant |= {each for each in (_own_key(inner) for inner in value) if each}
        if meant:
            return self._problem((key,), f"{found_key}: did you mean `{meant}`?", *self._move((key,), (meant,), value))
        return self._problem((key,), f"{found_key}: remove it", Remove(self._name, (key,)))

    def _salt(self) -> Iterator[Problem]:
        """A ciphertext of a passphrase or a key is lost without the salt or the key that is beside it."""
        top = self._file.tree.value if isinstance(self._file.tree.value, dict) else {}
        salt = top.get("encryptionsalt")
        for key, value in self._file.entries.items():
            if self._secrets is not None and key.removeprefix(f"{PROJECT}:") not in self._secrets:
                continue  # told to be removed, or misspelt
            text = value.get("secure") if isinstance(value, dict) else None
            if isinstance(text, str) and text.startswith("v1:") and not {"encryptionsalt", "encryptedkey"} & set(top):
                yield self._problem(
                    ("config", key),
                    f"{key}: found a `secure` but no `encryptionsalt` to decrypt it with: put that line back as it was "
                    f"in git, or set the secret anew: {self._command(key)}",
                )
        if salt is not None and not _is_salt(salt):
            yield self._problem(
                ("encryptionsalt",),
                f"encryptionsalt: found {found(salt)}: must be as Pulumi wrote it: put the line back as it was in git, "
                "or remove it and set each secret anew",
            )

    def _command(self, key: str) -> str:
        return f"pulumi config set --stack {self._file.stack} --secret {key.removeprefix(f'{PROJECT}:')}"

    # Names

    def _part_name(self, part: str, names: Sequence[str]) -> Iterator[Problem]:
        key = f"{PROJECT}:{part}"
        path: KeyPath = ("config", key)
        value = self._file.entries.get(key)
        rule = f"must name a file of stacks/{part}s, one of {', '.join(names)}"
        if value is None:
            named = [name for name in names if f"-{name}-" in f"-{self._file.stack}-"]
            only = names[0] if len(names) == 1 else next(iter(named), "…")
            edits = (Write(self._name, path, next(iter((*named, *names)))),) if names else ()
            if key not in self._meant:
                yield self._problem(path, f"{key} is missing: {rule}: add `{key}: {only}` below `config:`", *edits)
        elif value not in names:
            other = next(each for each in self._known if each != part)
            if value in self._known[other] and near(str(value), names) is None:
                yield self._of_other_part(part, other, value, rule)
                return
            if isinstance(value, list) and len(value) > 1:
                further = [each for each in value if each in names]
                edits = (Write(self._name, path, further[0]),) if further else ()
                way_out = f"write one, and add a Pulumi.<stack>.yaml for each further {part}"
                yield self._problem(path, f"{key}: found {found(value)}: {rule}: {way_out}", *edits)
                return
            name = _base_name(value)
            meant = next((each for each in (name, near(name, names)) if each in names), None)
            file = name if name and name == name.lower() else "NAME"
            way_out = f"did you mean `{meant}`?" if meant else f"write one of them, or add stacks/{part}s/{file}.yaml"
            edits = (Write(self._name, path, meant),) if meant else ()
            yield self._problem(path, f"{key}: found {found(value)}: {rule}: {way_out}", *edits)

    def _of_other_part(self, part: str, other: str, value: Json, rule: str) -> Problem:
        """Return the problem of a site in place of an experiment, or of the two exchanged."""
        key, named = f"{PROJECT}:{part}", self._file.entries.get(f"{PROJECT}:{other}")
        sentence = f"{key}: found {found(value)}, which is {'a site' if other == 'site' else 'an experiment'}: {rule}"
        if named in self._known[part]:
            edits = (
                Write(self._name, ("config", key), named),
                Write(self._name, ("config", f"{PROJECT}:{other}"), value),
            )
            return self._problem(("config", key), f"{sentence}: exchange it with `{PROJECT}:{other}`", *edits)
        return self._problem(("config", key), f"{sentence}: write one of them")

    # Override

    def _override(self) -> Iterator[Problem]:
        value = self._file.entries.get(f"{PROJECT}:override", {})
        if value is None and _OVERRIDE[-1] in self._meant:
            return
        if value is None:
            edit = Remove(self._name, _OVERRIDE)
            yield self._problem(_OVERRIDE, f"{PROJECT}:override: found null: must be a mapping: remove it", edit)
        elif not isinstance(value, dict):
            merged = _one_mapping(value) or _parts_in(value)
            edits = (Write(self._name, _OVERRIDE, merged),) if merged else ()
            rule = "must be a mapping: write `site:` or `experiment:`"
            yield self._problem(_OVERRIDE, f"{PROJECT}:override: found {found(value)}: {rule}", *edits)
        else:
            for key in value:
                if key not in PARTS:
                    yield self._unknown_part(key, value)

    def _unknown_part(self, key: str, override: dict[str, Json]) -> Problem:
        path = (*_OVERRIDE, key)
        names = {self._file.name(part): part for part in PARTS}
        part = names.get(key) or near(key, [each for each in PARTS if each not in override])
        sentence = f"{PROJECT}:override: found the key `{key}`: must be site or experiment"
        if part:
            return self._problem(
                path, f"{sentence}: did you mean `{part}`?", *self._move(path, (*_OVERRIDE, part), override[key])
            )
        if (place := _dotted_place(key)) is not None:
            edits = self._move(path, (*_OVERRIDE, *place), override[key])
            above = ":` and that below `".join(place[-2::-1])
            way_out = f"write `{place[-1]}: {written(override[key])}` below `{above}:`"
            return self._problem(path, f"{sentence}: {way_out}", *edits)
        part = next((each for each, keys in _part_keys().items() if key in keys), None)
        if part:
            edits = self._move(path, (*_OVERRIDE, part, key), override[key])
            return self._problem(path, f"{sentence}: move it below `{part}`", *edits)
        return self._problem(path, f"{sentence}: move it below one of them, or remove it", Remove(self._name, path))

    # Keys of the project

    def _key(self, key: str) -> Iterator[Problem]:
        namespace, _, name = key.partition(":")
        value = self._file.entries[key]
        path: KeyPath = ("config", key)
        encrypted = value if isinstance(value, dict) and set(value) == {"secure"} else None
        if namespace == "pulumi" or (namespace == PROJECT and name in KEYS):
            return
        if namespace == PROJECT and name in (self._secrets or ()):
            command = self._command(key)
            if not encrypted:
                sentence = f"{key}: found plain text: a secret must be encrypted: {command}"
                yield self._problem(path, sentence)
            elif not _is_ciphertext(encrypted["secure"]):
                yield self._not_encrypted(key)
        elif namespace == PROJECT and encrypted and self._secrets is None:
            if not _is_ciphertext(encrypted["secure"]):
                yield self._not_encrypted(key)
        else:
            advice = self._unknown(key, value, secret=encrypted is not None)
            known = [f"{PROJECT}:{each}" for each in (*KEYS, *(self._secrets or ()))]
            rule = f"must be one of {', '.join(known)}"
            sentence = f"config: found the key `{key}`, which is not known: {rule}: {advice.words}"
            yield self._problem(path, sentence, *advice.edits)

    def _not_encrypted(self, key: str) -> Problem:
        rule = "must be as Pulumi encrypted it"
        sentence = f"{key}: found a `secure` that is not encrypted: {rule}: {self._command(key)}"
        return self._problem(("config", key), sentence)

    def _unknown(self, key: str, value: Json, *, secret: bool) -> Advice:
        path: KeyPath = ("config", key)
        entries = self._file.entries
        if secret:
            wanted = [f"{PROJECT}:{name}" for name in self._secrets or () if f"{PROJECT}:{name}" not in entries]
            meant = near(key, wanted)
            if meant:
                return Advice(f"did you mean `{meant}`?", self._move(path, ("config", meant), value))
            return Advice("remove it", (Remove(self._name, path),))
        if isinstance(value, dict) and key in (PROJECT, "config"):
            return self._nested(path, value)
        ours = _own_key(key)
        place = None if ours else _place(key)
        if ours is None and place is None:
            name = near(key.rpartition(":")[2], [each for each in KEYS if f"{PROJECT}:{each}" not in entries])
            ours = f"{PROJECT}:{name}" if name else None
        part = ours.partition(":")[2] if ours else ""
        if part in PARTS and isinstance(value, dict) and len(value) > 1:
            self._meant.add(str(_OVERRIDE[-1]))
            edits = self._move(path, (*_OVERRIDE, part), value)
            return Advice(f"write it below `{_OVERRIDE[-1]}` as `{part}`", edits)
        if ours:
            self._meant.add(ours)
            if ours not in entries:
                return Advice(f"did you mean `{ours}`?", self._move(path, ("config", ours), value))
            return Advice(f"`{ours}` is there already: remove this one", (Remove(self._name, path),))
        if place:
            edits = self._move(path, (*_OVERRIDE, *place), value)
            return Advice(f"write it below `{PROJECT}:override` as `{'.'.join(place)}: {written(value)}`", edits)
        return Advice(
            choice(key, [f"{PROJECT}:{each}" for each in KEYS], otherwise="remove it"), (Remove(self._name, path),)
        )

    def _nested(self, path: KeyPath, value: dict[str, Json]) -> Advice:
        """Return the way out of `sonic: {site: …}` and of a `config:` in the other."""
        edits: list[Edit] = [Remove(self._name, path)]
        for inner, each in value.items():
            ours = _own_key(inner) or inner
            self._meant.add(ours)
            edits.append(Write(self._name, ("config", ours), each))
        if path[-1] == "config":
            return Advice("take this line out, and move those below it to its column", tuple(edits))
        return Advice(f"write each of its keys in one line, as `{PROJECT}:site: …`", tuple(edits))


def _own_key(key: str) -> str | None:
    """Return the key of the project that was meant by one with another namespace, or none, or in capitals."""
    name = key.replace("/", ":").rpartition(":")[2].lower()
    name = name.removeprefix(f"{PROJECT}.").removeprefix(f"{PROJECT}_").removeprefix(f"{PROJECT}-")
    return f"{PROJECT}:{name}" if name in KEYS else None


def _base_name(value: Json) -> str:
    """Return the name in `[purdue]`, `{value: purdue}` or `stacks/sites/purdue.yaml`."""
    while isinstance(value, list | dict) and len(value) == 1:
        value = value[0] if isinstance(value, list) else next(iter(value.values()))
    return (
        PurePosixPath(value.strip()).name.removesuffix(".yaml").removesuffix(".yml") if isinstance(value, str) else ""
    )


def _one_mapping(value: Json) -> dict[str, Json] | None:
    """Return the mapping in a list of mappings with one key each."""
    items = value if isinstance(value, list) else []
    merged: dict[str, Json] = {}
    for item in items:
        if not isinstance(item, dict):
            return None
        merged |= item
    return merged or None


def _part_keys() -> dict[str, list[str]]:
    """Keys at the top of each part."""
    return {"site": list(Site.model_fields), "experiment": list(Experiment.model_fields)}


def _place(key: str) -> tuple[str, ...] | None:
    """Return the one place of a key of a site or an experiment, such as `experiment`, `scaling`, `queue_target_ms`."""
    path = tuple(key.rpartition(":")[2].removeprefix("override.").split("."))
    places = [
        (part, *property_.path.split("."))
        for part, model in (("site", Site), ("experiment", Experiment))
        for property_ in schema_of(model).properties()
        if "[]" not in property_.path
    ]
    fitting = list(dict.fromkeys(place for place in places if place[-len(path) :] == path))
    if len(fitting) > 1 and len(known := FOREIGN_KEYS.get(path[-1], ())) == 1:
        fitting = [place for place in fitting if ".".join(place) == known[0]]
    return fitting[0] if len(fitting) == 1 else None


def _dotted_place(key: str) -> tuple[str, ...] | None:
    """Return the place of a key that is written with its dots, such as `experiment.scaling.servers_max`."""
    return _place(key) if "." in key else None


def _parts_in(value: Json) -> dict[str, Json] | None:
    """Return the override that a text holds."""
    held = mapping_in(value)
    return held if held and set(held) <= set(PARTS) else None


def _is_ciphertext(secure: Json) -> bool:
    """Tell whether a text can be what Pulumi encrypted: by Pulumi Cloud, or as `v1:` with a nonce."""
    if not isinstance(secure, str):
        return False
    if not secure.startswith("v1:"):
        cloud = _decoded(secure) or b""
        return cloud.startswith(_CLOUD_HEAD) and len(cloud) >= len(_CLOUD_HEAD) + _NONCE_BYTES + _TAG_BYTES
    pieces = [_decoded(piece) for piece in secure.removeprefix("v1:").split(":")]
    sizes = [len(piece) for piece in pieces if piece is not None]
    return len(sizes) == len(pieces) == 2 and sizes[0] == _NONCE_BYTES and sizes[1] >= _TAG_BYTES


def _is_salt(salt: Json) -> bool:
    """Tell whether a text can be Pulumi's salt: `v1:`, the salt, and a ciphertext that proves the passphrase."""
    version, _, rest = salt.partition(":") if isinstance(salt, str) else ("", "", "")
    own, _, proof = rest.partition(":")
    return version == "v1" and bool(_decoded(own)) and proof.startswith("v1:") and _is_ciphertext(proof)


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None
