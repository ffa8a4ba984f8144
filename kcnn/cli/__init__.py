"""The command line: one file per verb, each with HELP, add_arguments(parser) and run(args, console)."""

VERBS = (
    "list",
    "summary",
    "check",
    "train",
    "evaluate",
    "predict",
    "export",
    "benchmark",
    "explain",
    "explore",
    "attack",
)
