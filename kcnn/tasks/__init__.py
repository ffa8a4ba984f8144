"""Tasks: what to do with images. Each is a plug-in, ours and outside ones alike."""

from kcnn.registry import Entry, Registry

TASKS = Registry(
    "task",
    "kcnn.tasks",
    {
        "classification": Entry(
            "kcnn.tasks.classification.task:TASK", "one label per image, or several (config.multi_label)"
        ),
        "segmentation": Entry("kcnn.tasks.segmentation.task:TASK", "one class for every pixel"),
    },
)
