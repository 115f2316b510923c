"""The companion process by which a host takes part in jax.distributed. It touches no device.

    python -m lira_jax.cli.rendezvous '{"coordinator_address": "node0:1234", "num_processes": 2,
    "process_id": 1}'

The argument holds what `jax.distributed.initialize` is to be given. Answers are lines of JSON on
standard output: first [process id, number of processes], or the text of an error; then, to each
  line "meet" on standard
input, the processes that are alive, once all of these have asked too. At a line "leave", or the end
of the input, it goes.
"""

import json
import os
import sys
import threading

MEET, LEAVE = "meet\n", "leave\n"


def main() -> None:
    import jax

    # jax.experimental.multihost_utils.live_devices is the same, but needs devices
    from jax._src import (
        distributed,
    )

    # Otherwise jax ends the companions of all hosts as soon as one of them is gone.
    jax.config.update("jax_enable_recoverability", True)
    try:
        jax.distributed.initialize(**json.loads(sys.argv[1]))
    except (
        Exception
    ) as error:  # ValueError, RuntimeError and others, as the detected cluster has it
        say(str(error))
        sys.exit(1)
    state = distributed.global_state
    say([state.process_id, state.num_processes])

    def meet() -> None:
        say(sorted(state.client.get_live_nodes(range(state.num_processes))))

    for line in sys.stdin:
        if line == LEAVE:
            if (
                state.process_id == 0
            ):  # the others lose their footing if the coordinator goes before them
                meet()
            break
        threading.Thread(
            target=meet, daemon=True
        ).start()  # so that the end of the input is seen meanwhile
    jax.distributed.shutdown()
    os._exit(0)


def say(answer) -> None:
    """Writes an answer."""
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
