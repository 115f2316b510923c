"""Runs attacks on evidence and measures what they find: the protocol that all attacks share."""

import time
from collections.abc import Callable, Sequence

import numpy as np

from lira_jax import progress
from lira_jax.attacks.kinds import Attack
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.errors import UserError
from lira_jax.evaluation.assessment import AttackResults, assess


def run_attacks(
    evidence: Evidence,
    table: dict[str, Attack],
    names: Sequence[str],
    save: Callable[[str, np.ndarray], None],
    *,
    skip_failures: bool,
) -> dict[str, AttackResults]:
    """Runs attacks, saves their scores and assesses them where the targets' membership is known.

    Args:
      evidence: what the attacks may look at.
      table: the attacks by name.
      names: of those to run.
      save: called with (name, scores float64 [targets, examples]); NaN where an example has too few
        shadow scores for the attack.
      skip_failures: pass over attacks that this evidence does not suffice for, with a note.

    Returns:
      name -> what it finds; empty if the membership is unknown.

    Raises:
      UserError: an attack cannot be run, naming it.
    """
    members, results, left_out, unscored = evidence.members, {}, {}, {}
    evidence.read(signal for name in names for signal in table[name].needs)
    correct = None
    if "logits" in evidence.signals:
        correct = evidence.of_targets("logits").argmax(-1) == evidence.labels
    with progress.bar("attack", len(names), "attacks") as bar:
        for name in names:
            bar.set_postfix_str(name)
            started = time.monotonic()
            try:
                scores = table[name].run(evidence)
            except UserError as error:
                if not skip_failures:
                    raise UserError(f"--attacks={name}: {error}") from None
                left_out[name] = error
            else:
                save(name, scores)
                lacking = np.isnan(scores)
                number = int(lacking.any(0).sum())
                if number:
                    partly = bool((lacking.any(0) & ~lacking.all(0)).any())
                    group = (number, partly, table[name].fewest)
                    unscored.setdefault(group, []).append(name)
                if members is not None:
                    results[name] = assess(
                        scores, members, evidence.labels, correct, table[name].threshold
                    )
                seconds = time.monotonic() - started
                if seconds > 30:
                    progress.note(f"{name} took {seconds:.0f} s")
            bar.update()
    for (number, partly, fewest), attacks in unscored.items():
        progress.note(
            f"{', '.join(attacks)}: {number} of {len(evidence.labels)} examples have "
            f"{fewest.lack if fewest else 'no score'}{' for some targets' if partly else ''}; they "
            f"are left out{' there' if partly else ''}"
        )
    if left_out and not evidence.keep.any():
        progress.note(
            "no shadow trained on an example under attack (disjoint masks), so attacks that learn "
            f"from shadows' members are left out: {', '.join(left_out)}"
        )
    else:
        for name, error in left_out.items():
            progress.note(f"left out {name}: {error}")
    return results
