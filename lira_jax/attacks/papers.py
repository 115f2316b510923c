"""The papers and programs that attacks come from."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Paper:
    """What a source refers to.

    Attributes:
      title: of the paper, or what the program is.
      link: where it is to be found.
    """

    title: str
    link: str


PAPERS: dict[str, Paper] = {
    "Brannvall 2026": Paper(
        "Exponential-Family Membership Inference: From LiRA and RMIA to BaVarIA",
        "https://arxiv.org/abs/2603.11799",
    ),
    "Carlini et al. 2021": Paper(
        "Extracting Training Data from Large Language Models", "https://arxiv.org/abs/2012.07805"
    ),
    "Carlini et al. 2022": Paper(
        "Membership Inference Attacks From First Principles", "https://arxiv.org/abs/2112.03570"
    ),
    "Chen et al. 2026": Paper(
        "Window-based Membership Inference Attacks Against Fine-tuned Large Language Models",
        "https://arxiv.org/abs/2601.02751",
    ),
    "Hintersdorf et al. 2022": Paper(
        "To Trust or Not To Trust Prediction Scores for Membership Inference Attacks",
        "https://arxiv.org/abs/2111.09076",
    ),
    "Jayaraman et al. 2021": Paper(
        "Revisiting Membership Inference Under Realistic Assumptions",
        "https://arxiv.org/abs/2005.10881",
    ),
    "Lassila et al. 2025": Paper(
        "Practical Bayes-Optimal Membership Inference Attacks", "https://arxiv.org/abs/2505.24089"
    ),
    "Leino and Fredrikson 2020": Paper(
        "Stolen Memories: Leveraging Model Memorization for Calibrated White-Box Membership "
        "Inference",
        "https://arxiv.org/abs/1906.11798",
    ),
    "Long et al. 2018": Paper(
        "Understanding Membership Inferences on Well-Generalized Learning Models",
        "https://arxiv.org/abs/1802.04889",
    ),
    "Rezaei and Liu 2021": Paper(
        "On the Difficulty of Membership Inference Attacks", "https://arxiv.org/abs/2005.13702"
    ),
    "Sablayrolles et al. 2019": Paper(
        "White-box vs Black-box: Bayes Optimal Strategies for Membership Inference",
        "https://arxiv.org/abs/1908.11229",
    ),
    "Salem et al. 2019": Paper(
        "ML-Leaks: Model and Data Independent Membership Inference Attacks and Defenses",
        "https://arxiv.org/abs/1806.01246",
    ),
    "Shi et al. 2024": Paper(
        "Detecting Pretraining Data from Large Language Models", "https://arxiv.org/abs/2310.16789"
    ),
    "Shokri et al. 2017": Paper(
        "Membership Inference Attacks against Machine Learning Models",
        "https://arxiv.org/abs/1610.05820",
    ),
    "Smyth 2004": Paper(
        "Linear Models and Empirical Bayes Methods for Assessing Differential Expression",
        "https://doi.org/10.2202/1544-6115.1027",
    ),
    "Song and Mittal 2021": Paper(
        "Systematic Evaluation of Privacy Risks of Machine Learning Models",
        "https://arxiv.org/abs/2003.10595",
    ),
    "Watson et al. 2022": Paper(
        "On the Importance of Difficulty Calibration in Membership Inference Attacks",
        "https://arxiv.org/abs/2111.08440",
    ),
    "Ye et al. 2022": Paper(
        "Enhanced Membership Inference Attacks against Machine Learning Models",
        "https://arxiv.org/abs/2111.09679",
    ),
    "Yeom et al. 2018": Paper(
        "Privacy Risk in Machine Learning: Analyzing the Connection to Overfitting",
        "https://arxiv.org/abs/1709.01604",
    ),
    "Zarifzadeh et al. 2024": Paper(
        "Low-Cost High-Power Membership Inference Attacks", "https://arxiv.org/abs/2312.03262"
    ),
    "Zhang et al. 2025": Paper(
        "Min-K%++: Improved Baseline for Detecting Pre-Training Data from Large Language Models",
        "https://arxiv.org/abs/2404.02936",
    ),
    "privacytrustlab/ml_privacy_meter, 2024_rmia": Paper(
        "the RMIA authors' code",
        "https://github.com/privacytrustlab/ml_privacy_meter/tree/master/research/2024_rmia",
    ),
    "tensorflow/privacy, mi_lira_2021": Paper(
        "the LiRA authors' code",
        "https://github.com/tensorflow/privacy/tree/master/research/mi_lira_2021",
    ),
    "tensorflow_privacy library": Paper(
        "the library of the same repository", "https://github.com/tensorflow/privacy"
    ),
}
"""What a source calls it -> the paper or program."""


def links(source: str) -> list[tuple[str, str]]:
    """The parts of a source, each with its link; an empty one if the part names none of PAPERS.

    >>> links("Salem et al. 2019; Song and Mittal 2021, equation 7")
    ... # doctest: +NORMALIZE_WHITESPACE
    [('Salem et al. 2019', 'https://arxiv.org/abs/1806.01246'),
     ('Song and Mittal 2021, equation 7', 'https://arxiv.org/abs/2003.10595')]
    """
    return [
        (part, next((paper.link for name, paper in PAPERS.items() if name in part), ""))
        for part in source.split("; ")
    ]


def markdown(source: str) -> str:
    """A source as Markdown, with links."""
    return "; ".join(f"[{part}]({link})" if link else part for part, link in links(source))
