"""The attribution methods: what each shows, what it costs, and where it must not be used. No torch.

Keys are the names of Captum's classes in snake case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.errors import UsageError


@dataclass(frozen=True)
class Method:
    """One attribution method.

    `cost` is in words, a pass being one image through the network. `completeness` says whether the
    map must sum to f(x) − f(baseline), so that its error can be measured. `invalid` maps a norm
    ("batch", "group", "layer") to why the method has no meaning there; `caution` is shown beside
    every map that is drawn.
    """

    key: str
    label: str
    summary: str
    paper: str
    cost: str
    uses_baseline: bool = False
    completeness: bool = False
    stochastic: bool = False
    invalid: Mapping[str, str] = field(default_factory=dict)
    caution: str | None = None

    def reason_against(self, norm: str) -> str | None:
        """Why the method is not valid for networks with that norm; None if it is."""
        return self.invalid.get(norm)


def _no_rule(label: str, consequence: str) -> dict[str, str]:
    norms = {"group": "GroupNorm", "layer": "GroupNorm with one group, our layer norm"}
    return {
        norm: f"Captum has no {label} rule for {module}: {consequence}"
        for norm, module in norms.items()
    }


_ALL = (
    Method(
        "integrated_gradients",
        "Integrated Gradients",
        "The gradient averaged along the straight path from the baseline to the image, times "
        "their difference: each pixel's share of f(x) − f(baseline).",
        "Sundararajan, Taly and Yan, 2017, Axiomatic Attribution for Deep Networks, "
        "arXiv 1703.01365",
        "64 to 2,048 forward and backward passes, until the map is complete",
        uses_baseline=True,
        completeness=True,
    ),
    Method(
        "saliency",
        "Saliency",
        "The gradient with its sign: how the output would change if a pixel were slightly "
        "brighter.",
        "Simonyan, Vedaldi and Zisserman, 2013, Deep Inside Convolutional Networks, "
        "arXiv 1312.6034",
        "one forward and backward pass",
        caution="It shows what the output is sensitive to, not what produced it.",
    ),
    Method(
        "input_x_gradient",
        "Input × Gradient",
        "The gradient times the normalized pixel value.",
        "Shrikumar, Greenside, Shcherbina and Kundaje, 2016, Not Just a Black Box, "
        "arXiv 1605.01713",
        "one forward and backward pass",
        caution="For group and layer norm it sums to zero, whatever the image: these networks "
        "ignore the contrast of their input. Its total says nothing.",
    ),
    Method(
        "noise_tunnel",
        "SmoothGrad",
        "The gradient averaged over noisy copies of the image.",
        "Smilkov, Thorat, Kim, Viégas and Wattenberg, 2017, SmoothGrad, arXiv 1706.03825",
        "64 forward and backward passes",
        stochastic=True,
        caution="It shows what the output is sensitive to near the image, not what produced it.",
    ),
    Method(
        "gradient_shap",
        "Gradient SHAP",
        "The gradient at random points between the baseline and the image, times their difference.",
        "Lundberg and Lee, 2017, A Unified Approach to Interpreting Model Predictions, "
        "arXiv 1705.07874",
        "64 to 2,048 forward and backward passes, until the map is complete",
        uses_baseline=True,
        completeness=True,
        stochastic=True,
        caution="With one baseline it estimates Integrated Gradients from random steps, so it is "
        "the noisier of the two.",
    ),
    Method(
        "deep_lift",
        "DeepLIFT",
        "Differences from the baseline's activations, passed back layer by layer (rescale rule).",
        "Shrikumar, Greenside and Kundaje, 2017, Learning Important Features Through Propagating "
        "Activation Differences, arXiv 1704.02685",
        "one forward and backward pass of image and baseline",
        uses_baseline=True,
        completeness=True,
        invalid=_no_rule(
            "DeepLIFT", "it would treat the layer as linear, and the map would not be complete."
        ),
    ),
    Method(
        "lrp",
        "LRP",
        "Layer-wise relevance propagation (epsilon rule): the output handed back to the pixels "
        "in proportion to each connection's part.",
        "Bach et al., 2015, On Pixel-Wise Explanations for Non-Linear Classifier Decisions by "
        "Layer-Wise Relevance Propagation, doi 10.1371/journal.pone.0130140",
        "two forward passes and one backward pass",
        invalid=_no_rule("LRP", "relevance cannot be passed back through it."),
        caution="With the epsilon rule on this network it repeats Input × Gradient.",
    ),
    Method(
        "occlusion",
        "Occlusion",
        "How much the output falls when a window of 4×4 pixels is replaced by the baseline; "
        "windows overlap by half and are averaged.",
        "Zeiler and Fergus, 2014, Visualizing and Understanding Convolutional Networks, "
        "arXiv 1311.2901",
        "170 forward passes",
        uses_baseline=True,
        caution="It need not add up: windows act together.",
    ),
    Method(
        "feature_ablation",
        "Feature Ablation",
        "How much the output falls when one of 7×7 squares is replaced by the baseline, shared "
        "out evenly over its 16 pixels.",
        "Zeiler and Fergus, 2014, Visualizing and Understanding Convolutional Networks, "
        "arXiv 1311.2901",
        "50 forward passes",
        uses_baseline=True,
        caution="It need not add up: squares act together.",
    ),
    Method(
        "shapley_value_sampling",
        "Shapley Value Sampling",
        "Each of 7×7 squares' average effect over random orders of inserting them into the "
        "baseline, shared out evenly over its 16 pixels.",
        "Štrumbelj and Kononenko, 2010, An Efficient Explanation of Individual Classifications "
        "Using Game Theory, JMLR 11; Castro, Gómez and Tejada, 2009",
        "3,136 forward passes (64 orders)",
        uses_baseline=True,
        completeness=True,
        stochastic=True,
        caution="It always adds up; what is uncertain is how squares share the sum.",
    ),
    Method(
        "guided_backprop",
        "Guided Backprop",
        "The gradient, with negative signals dropped at every ReLU.",
        "Springenberg, Dosovitskiy, Brox and Riedmiller, 2014, Striving for Simplicity, "
        "arXiv 1412.6806",
        "one forward and backward pass",
        caution="A cautionary example: it draws the image's edges and, above all with batch norm, "
        "is nearly the same for every class, so it cannot explain why one class won.",
    ),
    Method(
        "layer_grad_cam",
        "Grad-CAM",
        "Where the last ReLU's channels that speak for the output are active: a 4×4 map, "
        "enlarged bilinearly to 28×28.",
        "Selvaraju et al., 2017, Grad-CAM: Visual Explanations from Deep Networks, "
        "arXiv 1610.02391",
        "one forward and backward pass",
        caution="Each of its 16 cells sees 26×26 of the 28×28 pixels: it does not localize.",
    ),
    Method(
        "guided_grad_cam",
        "Guided Grad-CAM",
        "Guided Backprop times the positive part of Grad-CAM.",
        "Selvaraju et al., 2017, Grad-CAM: Visual Explanations from Deep Networks, "
        "arXiv 1610.02391",
        "two forward and backward passes",
        caution="Its details are Guided Backprop's, which hardly depend on the class.",
    ),
)
METHODS: dict[str, Method] = {method.key: method for method in _ALL}
"""All methods, in the order in which they are shown."""

ALIASES = {"smooth_grad": "noise_tunnel", "grad_cam": "layer_grad_cam"}


def get_method(key: str) -> Method:
    """The method of that name; `UsageError` lists the known ones."""
    try:
        return METHODS[ALIASES.get(key, key)]
    except KeyError:
        raise UsageError(f"Unknown method {key!r}: choose from {', '.join(METHODS)}.") from None
