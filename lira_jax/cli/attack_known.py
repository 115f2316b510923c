"""lira-attack --protocol=known: the attacker who knows most members of the target itself."""

import functools

from lira_jax.attacks.known_classifiers import CLASSIFIERS, SAMPLINGS
from lira_jax.audit import half_known, known_epochs, known_found, known_membership, known_ways
from lira_jax.audit.known_ways import SOFTMAX, WAYS
from lira_jax.cli import attack_source, flags
from lira_jax.errors import UserError
from lira_jax.report import attackers, rezaei, terminal
from lira_jax.report import known_membership as summary
from lira_jax.runs import data as run_data
from lira_jax.runs import stops
from lira_jax.runs.layout import HALF_KNOWN_TABLE, KNOWN_EPOCHS_TABLE, KNOWN_TABLE

flags.DEFINE_string(
    "protocol",
    "shadows",
    "shadows: attacks learn from shadow models. known: the attacker knows the membership of most "
    "of the target's own examples, and has no shadow models (Rezaei and Liu 2021); prints tables "
    "and writes known.csv. half_known: he knows half of the members and as many non-members (Song "
    "and Mittal 2021); writes half_known.csv. No other flag counts then but those of known, "
    "--tables, --targets, --examples, --stop_at, --release and --out.",
)
flags.DEFINE_float(
    "known",
    0.8,
    "With --protocol=known, the share of the members and of the non-members of each class that the "
    "attacker knows, the first in the order of the data.",
)
flags.DEFINE_list(
    "known_ways",
    ["all"],
    "With --protocol=known, what the attacker looks at; all is what is saved. "
    + " ".join(
        f"{name}: {way.summary}, of the signal {way.signal} (table {way.table})."
        for name, way in WAYS.items()
    ),
)
flags.DEFINE_list(
    "known_classifiers",
    ["network"],
    "With --protocol=known, what learns from confidences and layers, of several the best on "
    f"validation data: {', '.join(CLASSIFIERS)}. Distances and gradients have logistic regression.",
)
flags.DEFINE_list(
    "known_sampling",
    ["none"],
    "With --protocol=known, how uneven members and non-members are made even, of several the best "
    f"on validation data: {', '.join(SAMPLINGS)}.",
)
flags.DEFINE_integer(
    "known_tries",
    0,
    "With --protocol=known, random settings that random_forest and xgboost choose from, for each "
    "class; 0 for the authors' 100 and 50, which take hours.",
)
flags.DEFINE_integer(
    "known_trees",
    0,
    "With --protocol=known, trees of random_forest; 0 for 500 to 5000, a setting to choose.",
)
flags.DEFINE_integer(
    "known_fewest",
    0,
    "With --protocol=known, members and non-members that a class needs, or a group of it where "
    "rightly and wrongly classified examples are apart; 0 for the authors': "
    + ", ".join(f"{name} {way.fewest}" for name, way in WAYS.items())
    + ". Nothing is learned from fewer than 8 that are known, or 2 by logistic regression.",
)
flags.DEFINE_integer(
    "known_most",
    0,
    "With --protocol=known, of distances and gradients the first so many members and non-members "
    "of each class and group; 0 for all. The authors take 400, to save time.",
)
flags.DEFINE_string(
    "tables",
    "",
    "With --protocol=known, print tables 1 to 7 of Rezaei and Liu 2021, with their rows beneath: "
    "rezaei for those whose signals are saved, rezaei:4 for one. It then looks at what they show.",
)


PROTOCOLS = ("shadows", "known", "half_known")


def half() -> None:
    """Attacks as one who knows half of the members (Song and Mittal 2021)."""
    source, out = attack_source.read_evidence(attack_source.attackers()[0])
    if flags.FLAGS.out and not out.has_experiment():
        attack_source.check_known(out, HALF_KNOWN_TABLE)
    if source.run is not None:
        flags.open_with(run_data.line(source.run))
    found = half_known.run(source.loaded.evidence)
    table = attackers.half_known(found)
    print(f"\n{table.title}\n{terminal.of_table(table)}")
    out.write_own(HALF_KNOWN_TABLE, half_known.to_csv(found))


def main() -> None:
    """Attacks as one who knows most members (Rezaei and Liu 2021)."""
    share, numbers = flags.FLAGS.known, rezaei.parse(flags.FLAGS.tables)
    if not 0 < share < 1:
        raise UserError(f"--known={share:g}: give a fraction between 0 and 1, such as 0.8")
    classifiers, sampling = flags.FLAGS.known_classifiers, flags.FLAGS.known_sampling
    tries, trees = flags.FLAGS.known_tries, flags.FLAGS.known_trees
    fit = known_ways.learner(classifiers, sampling, seed=0, tries=tries, trees=trees)
    sizes = {"fewest": flags.FLAGS.known_fewest, "most": flags.FLAGS.known_most}
    attacker = attack_source.attackers()[0]
    source, out = attack_source.read_evidence(attacker)
    evidence, run = source.loaded.evidence, source.run
    if flags.FLAGS.out and not out.has_experiment():
        for name in (KNOWN_TABLE, KNOWN_EPOCHS_TABLE):
            attack_source.check_known(out, name)
    saved, names = evidence.signals.saved, flags.FLAGS.known_ways
    asked = known_ways.ways(rezaei.ways(numbers, saved) if numbers else names, saved)
    asked = known_ways.limited(asked, **sizes)
    if run is not None:
        flags.open_with(run_data.line(run))
    epochs = flags.FLAGS.at_epochs
    at_epochs = attack_source.scored(run, epochs) if epochs and run is not None else []
    found = known_membership.run(evidence, asked, fit, share)
    shown = (
        rezaei.tables(found, numbers, flags.FLAGS.workdir)
        if numbers
        else summary.tables(found, share, asked)
    )
    for table in shown:
        print(f"\n{table.title}\n{terminal.of_table(table)}")
    out.write_own(KNOWN_TABLE, known_found.to_csv(found.ways))
    if run is not None and at_epochs:
        rows = known_epochs.run(
            functools.partial(attack_source.after, attacker),
            at_epochs,
            fit,
            share,
            stops.logged(run),
            known_ways.limited({SOFTMAX: WAYS[SOFTMAX]}, **sizes)[SOFTMAX],
        )
        table = summary.over_epochs(rows)
        print(f"\n{table.title}\n{terminal.of_table(table)}")
        out.write_own(KNOWN_EPOCHS_TABLE, known_epochs.to_csv(rows))
