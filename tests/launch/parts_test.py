import pytest

from lira_jax.errors import UserError
from lira_jax.launch import parts
from lira_jax.launch.parts import Part

ARRAY = {"SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "3"}


@pytest.mark.parametrize("count", [1, 3, 8])
def test_each_model_is_of_one_part_and_all_are_of_much_the_same_size(count):
    ids = [2, 3, 5, 7, 11]
    found = [Part(i, count).of(ids) for i in range(count)]
    assert sorted(i for part in found for i in part) == ids
    assert max(map(len, found)) - min(map(len, found)) <= 1


def test_a_part_that_is_named():
    assert parts.parse("", {}) == Part(0, 1)
    assert parts.parse("3/8", ARRAY) == Part(3, 8)
    assert Part(1, 4).of([2, 3, 5, 7, 11, 13]) == [3, 13]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"SLURM_PROCID": "3", "SLURM_NTASKS": "8"}, Part(3, 8)),
        (ARRAY, Part(1, 3)),
        # The batch script of an array's task is its task 0; srun starts more.
        ({**ARRAY, "SLURM_PROCID": "0"}, Part(1, 3)),
        ({**ARRAY, "SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, Part(1, 3)),
        ({**ARRAY, "SLURM_PROCID": "3", "SLURM_NTASKS": "4"}, Part(7, 12)),
        ({"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "4"}, Part(2, 4)),
        # mpirun in a job of SLURM
        (
            {
                "OMPI_COMM_WORLD_RANK": "2",
                "OMPI_COMM_WORLD_SIZE": "4",
                "SLURM_PROCID": "0",
                "SLURM_NTASKS": "4",
            },
            Part(2, 4),
        ),
        ({"JOB_COMPLETION_INDEX": "5", "JOB_COMPLETIONS": "6"}, Part(5, 6)),
        ({"TPU_WORKER_ID": "1", "TPU_WORKER_HOSTNAMES": "10.0.0.1,10.0.0.2"}, Part(1, 2)),
    ],
)
def test_a_part_that_the_scheduler_names(environ, expected):
    assert parts.parse("auto", environ) == expected


def test_how_many_parts_there_are_can_be_said_where_the_scheduler_does_not():
    assert parts.parse("auto/8", {"JOB_COMPLETION_INDEX": "5"}) == Part(5, 8)
    some = {"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_COUNT": "2"}  # sbatch --array=3,5
    assert parts.parse("auto/8", some) == Part(5, 8)


@pytest.mark.parametrize(
    ("text", "environ", "message"),
    [
        ("3", {}, "give a part from 0, such as 3/8, or auto"),
        ("-1/8", {}, "give a part from 0"),
        ("some", {}, "give a part from 0"),
        ("8/8", {}, "the parts of 8 are 0 to 7"),
        ("0/0", {}, "the parts of 0"),
        ("auto", {}, "name the part, such as --part=3/8"),
        ("auto", {"JOB_COMPLETION_INDEX": "5"}, "JOB_COMPLETIONS does not say of how many"),
        (
            "auto",
            {"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_COUNT": "2"},
            "the environment says 5/2, but the parts of 2 are 0 to 1; in a job array",
        ),
    ],
)
def test_what_is_no_part_is_refused(text, environ, message):
    with pytest.raises(UserError) as error:
        parts.parse(text, environ)
    assert str(error.value).startswith(f"--part={text}: ")
    assert message in str(error.value)


def test_devices_of_other_machines_are_refused(monkeypatch):
    parts.check_own_devices()
    monkeypatch.setattr("jax.process_count", lambda: 2)
    with pytest.raises(UserError, match="TPU_PROCESS_BOUNDS=1,1,1"):
        parts.check_own_devices()
