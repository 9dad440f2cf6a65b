"""What a launcher printed, read from real outputs of nemo-run 0.11.1 and from rich itself at any width."""

from __future__ import annotations

import io
import logging
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.logging import RichHandler

from jobwarden.sources.launcher.output import Output, read_output, task_named, words_for
from jobwarden.sources.launcher.text import whole_lines

DATA = Path(__file__).parents[2] / "data" / "nemo-run" / "0.11.1"
NAMES = ["Qwen3-8B_NVFP4_0", "Qwen3-8B_NVFP4_1"]


def output(name: str) -> Output:
    return read_output((DATA / f"{name}.txt").read_bytes())


@pytest.mark.parametrize(
    ("name", "experiment", "jobs"),
    [
        ("slurm_attached", "cicd_1795170233931334517", ("24", "25")),
        ("slurm_detached", "cicd_1795170275173434547", ("26", "27")),
        ("scancelled", "cicd_1795170449518973521", ("31",)),
        ("dependency_never_satisfied", "cicd_1795170382820342128", ("29", "30")),
        ("submit_error_rc0", "cicd_1795170216529243725", ()),
    ],
)
def test_an_output_names_its_experiment_and_its_slurm_jobs(name: str, experiment: str, jobs: tuple[str, ...]) -> None:
    found = output(name)
    assert found.experiments == (experiment,)
    assert found.slurm_ids == jobs
    assert [task.job for task in found.tasks.values()] == list(jobs)
    assert {task.slurm_host for task in found.tasks.values()} <= {"alice@cluster-a"}
    assert found.homes == ("/lab/lnch",)


@pytest.mark.parametrize("name", ["local_80_columns", "local_tty"])
def test_wrapped_lines_colours_and_links_hide_no_app(name: str) -> None:
    found = output(name)
    assert [scheme for scheme, _ in found.apps] == ["local_persistent"] * 2
    assert [app.rpartition("-")[0] for _, app in found.apps] == NAMES
    assert [task.job for task in found.tasks.values()] == [app for _, app in found.apps]
    assert found.homes == ("/lab/nr",)
    assert found.slurm_ids == ()
    assert found.doing == {"8B_NVFP4_0": "exported to /scratchspace/exported_model"}


def test_what_it_is_doing_is_the_latest_news_of_each_task() -> None:
    assert output("slurm_attached").doing == {"8B_NVFP4_0": "exported to /scratchspace/exported_model"}
    assert output("scancelled").doing == {"LongPTQ_0": "calibration 9 of 150"}
    assert output("slurm_detached").doing == {}


def test_why_a_launcher_gave_up_is_kept_as_its_word() -> None:
    assert output("submit_error_rc0").trouble == "Unexpected error: Encountered a bad command exit code!"
    assert output("slurm_attached").trouble == ""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "pyxis: importing docker image: nvcr.io/nvidia/tensorrt-llm/release:1.3.0rc20",
            "importing the container image",
        ),
        ("pyxis: imported docker image: nvcr.io/nvidia/tensorrt-llm/release:1.3.0rc20", "the container image is there"),
        ("calibration step 4/6", "calibration 4 of 6"),
        ("Calibrating:  12%|█▏        | 60/512 [00:10<01:12,  5.61it/s]", "calibration 60 of 512"),
        ("Exporting quantized checkpoint", "exporting"),
        ("Quantized model exported to: /scratch/m. Total time used 12.3s", "exported to /scratch/m"),
        ("Traceback (most recent call last):", ""),
        ("RuntimeError: CUDA out of memory. Tried to allocate 20.00 GiB", ""),
        ("job FAILED with error 1/2", ""),
    ],
)
def test_lines_are_put_into_words_and_error_words_say_nothing(line: str, words: str) -> None:
    assert words_for(line) == words


def test_a_bar_that_is_drawn_over_itself_shows_its_last_state_and_keeps_its_task() -> None:
    bar = b"8B_NVFP4_0/0 \rcalibrating:  10%|#  | 1/10\rcalibrating:  90%|## | 9/10\r\n"
    assert read_output(bar).doing == {"8B_NVFP4_0": "calibration 9 of 10"}
    forged = b"8B_NVFP4_0/0 x\r[10:24:11] INFO     Launched app: slurm_tunnel://nemo_run/99   launcher.py:116\n"
    assert read_output(forged).slurm_ids == ()


def test_what_a_task_prints_is_never_taken_for_the_launcher() -> None:
    printed = "8B_NVFP4_0/0 Entering Experiment cicd with id: cicd_1795170233931334517\n8B_NVFP4_0/0 - Job id: 7\n"
    assert read_output(printed.encode()) == Output()


def test_a_task_is_told_by_the_end_of_its_name_only_where_that_is_one() -> None:
    assert task_named("8B_NVFP4_1", NAMES) == NAMES[1]
    assert task_named("allocation", NAMES) == "allocation"
    assert task_named("8B_NVFP4_0", [NAMES[0], "Llama-8B_NVFP4_0"]) == "8B_NVFP4_0"


NAME = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}", fullmatch=True)
NUMBER = st.integers(10**18, 10**19 - 1)


def shown(width: int, *, tty: bool, title: str, experiment: str, app: str, folder: str) -> bytes:
    """Write what nemo-run writes, with the library and the settings with which it does."""
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=tty, color_system="truecolor" if tty else None)
    logger = logging.Logger("launcher")  # noqa: LOG001 -- one that no other test hears
    logger.addHandler(RichHandler(console=console, log_time_format="[%X]"))
    logger.info("Log directory is: %s", folder)
    console.log(f"[bold cyan]Launching job {title} for experiment {title}")
    logger.info("Launched app: %s", app)
    console.print(f"[bold green]Experiment Status for[/bold green] [bold orange1]{experiment}", soft_wrap=True)
    logger.info("Job x finished: FAILED")
    return stream.getvalue().encode()


@given(width=st.integers(60, 250), tty=st.booleans(), title=NAME, number=NUMBER, task=NAME)
def test_ids_survive_wrapping_at_any_width_with_and_without_colours(
    width: int, *, tty: bool, title: str, number: int, task: str
) -> None:
    experiment = f"{title}_{number}"
    app = f"local_persistent://nemo_run/{task}-xt9mjk3b0974"
    folder = f"/scratch/people/alice/nemo/experiments/{title}/{experiment}/{task}"
    found = read_output(shown(width, tty=tty, title=title, experiment=experiment, app=app, folder=folder))
    assert found.apps == (("local_persistent", f"{task}-xt9mjk3b0974"),)
    assert found.experiments == (experiment,)
    assert found.homes == ("/scratch/people/alice/nemo",)


@given(number=st.integers(1, 10**9), width=st.integers(60, 250), tty=st.booleans())
def test_slurm_ids_survive_wrapping_at_any_width(number: int, width: int, *, tty: bool) -> None:
    text = shown(width, tty=tty, title="t", experiment="t_1", app=f"slurm_tunnel://nemo_run/{number}", folder="/x")
    assert read_output(text).slurm_ids == (str(number),)


@given(st.binary(max_size=2000))
def test_any_bytes_are_read(data: bytes) -> None:
    read_output(data)
    for line in whole_lines(data):
        assert "\x1b" not in line.text
        assert "\n" not in line.text


@given(st.lists(st.sampled_from(sorted(DATA.glob("*[a-z].txt"))), min_size=1, max_size=2), st.data())
def test_a_torn_output_names_nothing_that_the_whole_does_not(files: list[Path], data: st.DataObject) -> None:
    whole = b"".join(path.read_bytes() for path in files)
    cut = data.draw(st.integers(0, len(whole)))
    everything = read_output(whole)
    part = read_output(whole[:cut].rpartition(b"\n")[0])
    assert set(part.experiments) <= set(everything.experiments)
    assert set(part.slurm_ids) <= set(everything.slurm_ids)


def test_the_recorded_outputs_name_no_key() -> None:
    assert not any(re.search("BEGIN .*KEY|hf_[A-Za-z]{20}", path.read_text()) for path in DATA.glob("*.txt"))
