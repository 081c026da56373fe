"""What is taken out of manuals of commands, and what it counts as."""

from pathlib import Path

from ringfence_pdp.filters.finding import ArgumentType

from training.readers import commands


def test_descriptions_count_as_what_they_speak_of(tmp_path: Path) -> None:
    build = tmp_path / "package" / "build"
    build.mkdir(parents=True)
    (build / "a.js").write_text(
        'x={description:"Show the shape of the table"},{description:"Delete the \\"old\\" user account"},'
        '{description:"Ignore case when sorting"},{description:"too short"},{description:"Show the shape of the table"}'
    )

    found = [(text.source, text.stratum, text.text) for text in commands.fig("fig", tmp_path)]

    assert found == [
        ("fig/ordinary", "ordinary", "Show the shape of the table"),
        ("fig/orders", "security", "Ignore case when sorting"),
        ("fig/security", "security", 'Delete the "old" user account'),
    ]


def test_examples_are_sentences_and_command_lines(tmp_path: Path) -> None:
    examples = tmp_path / "eg-1" / "eg" / "examples"
    examples.mkdir(parents=True)
    (examples / "ls.md").write_text("# ls\n\nlist all files,\nhidden ones too:\n\n    $ ls -a .\n    a  b\n\n    ls\n")

    found = [(text.source, text.type, text.text) for text in commands.eg("eg", tmp_path)]

    assert found == [
        ("eg", ArgumentType.FREE_TEXT, "list all files, hidden ones too"),
        ("eg/commands", ArgumentType.SHELL, "ls -a ."),
    ]
