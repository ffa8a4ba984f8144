"""What a data set is to kcnn: named splits of examples, each read by its index as graph operations."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kcnn.errors import ConfigError, DataError, UnknownNameError
from kcnn.recipe import DTYPES

if TYPE_CHECKING:
    import tensorflow as tf

    from kcnn.data.masks import Coding
    from kcnn.data.stream import Places


Read = Callable[["tf.Tensor"], dict[str, "tf.Tensor"]]


@dataclass(frozen=True, kw_only=True)
class Info:
    """Facts about a source.

    Attributes:
        name: for messages and reports.
        splits: split name -> number of examples; "train" is always there, "validation" and "test" may be.
        classes: class names, position = id.
        keys: keys of an example beside "image", such as ("label",) or ("mask",).
        image_shape: (height, width, channels) with None where images differ.
        licence: as stated by the data set, or "unknown".
        multi_label: "label" is a 0/1 vector of one entry per class instead of one id.
        palette: (r, g, b) of each class, 0..255, for pictures of masks; empty where the data have none.
    """

    name: str
    splits: dict[str, int]
    classes: tuple[str, ...]
    keys: tuple[str, ...] = ("label",)
    image_shape: tuple[int | None, int | None, int | None] = (None, None, None)
    licence: str = "unknown"
    multi_label: bool = False
    palette: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Split:
    """One split of a source.

    Attributes:
        size: number of examples.
        read: scalar int64 index tensor -> example dict, as graph operations; "image" is uint8 (H, W, C), "mask"
            uint8 (H, W) of class ids and `kcnn.data.masks.IGNORE`. AutoGraph is off. At 16 bits "image" is float32.
            An unreadable image or mask raises `tf.errors.InvalidArgumentError` when the graph runs.
        labels: int32 (size,) class ids, or uint8 (size, classes) when multi-label; known without decoding.
            uint8 (size, 0) where an image has no label, only a mask.
        names: where example i comes from (a file path, or "train[17]"), for reports, printable.
        files: paths when each example is a file of its own, else empty; what a bad-file scan opens.
        arrays: the split in memory, {"image": uint8 (N, H, W, C), `target`: ...}, when all images have one
            shape; None for encoded images. `read` then also takes a vector of indices and gives a batch.
        contents: index -> bytes of the encoded image, what a scan for bad images opens; None for arrays.
        target: key of an example that a batch holds beside the image, "label" or "mask".
        masks: paths of the mask files, parallel to `files`; empty without.
        coding: how those files name classes; None without.
        stream: gives the encoded images (strings) in index order, where they can only be read so; None elsewhere.
            Training then reads them in that order, mixed in blocks; `read` and `contents` walk to the one asked for.
        deep: as `read`, but keeps all bits of 16-bit files, "image" as `decode` gives it at 16 bits; None where no
            image has more than 8. `at_depth` chooses between them.
        bit_depth: of `read`, as `Preprocess` has it.
        places: of a stream, where training finds the places of its blocks and notes them; None forgets them.
    """

    size: int
    read: Read
    labels: np.ndarray
    names: Callable[[int], str]
    files: tuple[str, ...] = ()
    arrays: dict[str, np.ndarray] | None = field(default=None, repr=False)
    contents: Callable[[int], bytes] | None = None
    target: str = "label"
    masks: tuple[str, ...] = ()
    coding: "Coding | None" = None
    stream: "Callable[[], tf.data.Dataset] | None" = None
    deep: Read | None = None
    bit_depth: int = 8
    places: "Places | None" = None

    def at_depth(self, bits: int) -> "Split":
        """Return the split whose `read` gives images of `bits`, 8 or 16; `arrays` stay what they are.

        Raises:
            ConfigError: `bits` is neither, or 8 where the split was brought to 16 already.
        """
        if bits == self.bit_depth:
            return self
        if bits not in DTYPES:
            raise ConfigError(f"bit_depth is {bits!r} but must be one of {[*DTYPES]}.")
        if bits < self.bit_depth:
            raise ConfigError(
                f"the images are read with {self.bit_depth} bits but {bits} are asked for; set preprocess.bit_depth="
                f"{self.bit_depth}, or open the source with bit_depth={bits}."
            )

        def read(index: "tf.Tensor") -> dict[str, "tf.Tensor"]:
            import tensorflow as tf

            example = (self.deep or self.read)(index)
            return {**example, "image": tf.cast(example["image"], tf.float32)}

        return replace(self, read=read, deep=None, bit_depth=bits)

    def examples(self, indices: Sequence[int]) -> "list[dict[str, tf.Tensor]]":
        """Return the examples at `indices`, in that order, reading each once and in index order."""
        import tensorflow as tf

        found = {index: self.read(tf.constant(index, tf.int64)) for index in sorted({int(i) for i in indices})}
        return [found[int(index)] for index in indices]

    def subset(self, indices: np.ndarray) -> "Split":
        """Return the split of these examples only, in this order; `indices` is int64 (K,), rising for a stream."""
        indices = np.asarray(indices, np.int64)
        if self.stream is not None and np.any(np.diff(indices) <= 0):
            raise ConfigError(
                f"a stream of {self.size} examples is read in order, but the indices do not rise; sort them."
            )

        def stream() -> "tf.data.Dataset":
            import tensorflow as tf

            kept = np.isin(np.arange(self.size), indices)
            rows = tf.data.Dataset.zip(self.stream(), tf.data.Dataset.from_tensor_slices(kept))
            return rows.filter(lambda _, keep: keep).map(lambda content, _: content)

        def chosen(read: Read) -> Read:
            def among(index: "tf.Tensor") -> dict[str, "tf.Tensor"]:
                import tensorflow as tf

                return read(tf.gather(indices, index))

            return among

        contents = self.contents
        return replace(
            self,
            size=len(indices),
            read=chosen(self.read),
            deep=chosen(self.deep) if self.deep else None,
            labels=self.labels[indices],
            names=lambda index: self.names(int(indices[index])),
            files=tuple(self.files[i] for i in indices) if self.files else (),
            arrays={key: array[indices] for key, array in self.arrays.items()} if self.arrays else None,
            contents=(lambda index: contents(int(indices[index]))) if contents else None,
            masks=tuple(self.masks[i] for i in indices) if self.masks else (),
            stream=stream if self.stream else None,
        )

    def without(self, bad: Collection[int]) -> "Split":
        """Return the split without the examples `bad`, as `verify.scan` finds them."""
        return self.subset(np.setdiff1d(np.arange(self.size), list(bad))) if bad else self


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set: facts, and its splits by name."""

    info: Info
    splits: dict[str, Split]

    def split(self, name: str) -> Split:
        """Return a split.

        Raises:
            UnknownNameError: the source has no such split.
            DataError: the split is empty.
        """
        if name not in self.splits:
            raise UnknownNameError(f"split of {self.info.name}", name, self.splits)
        found = self.splits[name]
        if found.size == 0:
            raise DataError(f"{self.info.name}: split {name!r} has no example; there is nothing to read.")
        return found

    def at_depth(self, bits: int) -> "Source":
        """Return the source with every split at that depth; errors as `Split.at_depth`."""
        return replace(self, splits={name: split.at_depth(bits) for name, split in self.splits.items()})

    @property
    def held_out(self) -> str:
        """The split that tells most about unseen images: "test", else "validation", else "train"; none is empty."""
        return next(
            (name for name in ("test", "validation") if name in self.splits and self.splits[name].size), "train"
        )


def printable(text: str) -> str:
    """Return `text` in what UTF-8 can hold: file names in another encoding bring half characters."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def describe(source: Source) -> dict[str, Any]:
    """Return the facts of `source` as plain values for JSON."""
    info = source.info
    return {
        "name": info.name,
        "splits": info.splits,
        "classes": list(info.classes),
        "image_shape": list(info.image_shape),
        "licence": info.licence,
        "multi_label": info.multi_label,
        "palette": [list(colour) for colour in info.palette],
    }
