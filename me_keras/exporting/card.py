"""The model card: what an exported model is, what it was measured to do, and its limits."""

import pathlib

PATH = pathlib.Path("assets.extra", "MODEL_CARD.md")

# After Mitchell et al., "Model Cards for Model Reporting", 2019, arXiv:1810.03993.
TEMPLATE = """\
# {{ contract.model }}, version {{ contract.version }}

The model `{{ training.model }}` of me-keras: recognises micro-expressions from {{
"an onset and an apex frame" if contract.alignment else "an image of the motion" }} of one
aligned face. {% if contract.motion.source == "dgm" -%}
It estimates the displacement between the two frames and classifies it.
{%- elif contract.motion.source == "frames" -%}
It looks at both frames as they are.
{%- elif contract.alignment -%}
It is given their motion, computed by `{{ contract.motion.source }}`, and classifies it.
{%- endif %}
Made {{ contract.created }} by me-keras {{ contract.versions["me-keras"] }} from the run
`{{ training.run }}`.

| | |
|---|---|
| input | {{ "two aligned grey faces" if contract.motion.source in ("dgm", "frames") else
"a motion map" }}, {{ contract.image_size }} x {{ contract.image_size }} px |
| output | probabilities of {{ contract.classes | join(", ") }} |
| signatures | {{ contract.signatures | join(", ") }} |
| epochs | {{ training.warmup_epochs }} of the displacement alone, {{ training.epochs }} of \
everything; fixed beforehand |
| seed | {{ training.seed }} |
| mirrored face | {{ "averaged with" if training.mirror_test else "not looked at" }} |

What a client must know is in `contract.json`, beside this file.

## Data

{{ contract.data.clips }} clips of {{ contract.data.subjects }} subjects: `{{
contract.data.dataset }}` under the protocol `{{ contract.data.protocol }}`, digest `{{
contract.data.digest[:16] }}`.
The model was trained on **all** of them: testing it on these clips says nothing.

| class | clips |
|---|---|
{% for name, count in training.class_counts.items() -%}
| {{ name }} | {{ count }} |
{% endfor %}
The databases of this field are licensed for research; look up in your licence whether a model
trained on them may be used for what you plan. The model file holds no image of them.

## Score
{% if contract.score %}
{% set score = contract.score -%}
Of the training procedure, each time on people left out of training: {{ score.clips }} clips of {{
score.subjects }} subjects, {{ score.seeds }} seed{{ "" if score.seeds == 1 else "s" }}.

| | mean | sd over seeds | 95 % interval over subjects |
|---|---|---|---|
{% for name, label in [("uf1", "UF1"), ("uar", "UAR"), ("accuracy", "accuracy")] -%}
| {{ label }} | {{ "%.3f" | format(score[name].mean) }} | {{ "%.3f" | format(score[name].sd)
}} | {{ "%.3f" | format(score[name].ci95[0]) }} to {{ "%.3f" | format(score[name].ci95[1]) }} |
{% endfor %}
{%- if score.note %}
Options {{ score.note }}.
{% endif %}
{%- if score.seeds == 1 %}
One seed only: the spread between trainings is not known.
{% endif %}
{%- if score.subjects < contract.data.subjects %}
Only {{ score.subjects }} of {{ contract.data.subjects }} subjects were left out in turn.
{% endif %}
{%- else %}
Not evaluated: the run holds no results.
{% endif %}
{%- if contract.data.dataset == "synthetic" %}
**The data are rendered cartoons of faces. The model knows no human face; it shows that the
machinery works.**
{% endif %}
## Intended use

Research on micro-expressions, teaching, and testing of software, with consenting adults, on video
with a high frame rate, a frontal face and even light, as in the database above.

## Limits

- Scores are on posed or laboratory data: induced emotions, told to be suppressed, one camera, even
  light. Expect less anywhere else; how much less was not measured.
- Labels say what a film was meant to induce or what coders saw, not what a person felt. A
  prediction is no evidence of a feeling, an intention or a lie.
- The subjects are few, mostly young students of a few countries. Nothing was measured by age, sex,
  skin colour, glasses, beards or illness.
- The model answers whatever it is given: a spoken word, a blink or a head turn gets a class as
  well. Probabilities are not calibrated.
{% if contract.motion.source == "dgm" -%}
- A face that held still gets a class too: heed one only where `motion_explained` is at least {{
  contract.still.motion_explained }} and `displacement_max_px` at least {{
  contract.still.displacement_max_px }}.
{% endif -%}
- Onset and apex must be of one person and one moment, aligned by the same transform; two
  independently aligned frames show motion that is not there.

## Law

Not legal advice; look at the law where you are.

- EU AI Act, Regulation (EU) 2024/1689, Article 5(1)(f): systems that infer emotions of a natural
  person **at the workplace or in education are prohibited**, except for medical or safety reasons.
- Elsewhere in the EU such systems are high-risk (Annex III, point 1(c)), and people must be told
  that one is used on them (Article 50(3)).
- Images of faces are personal data; biometric data that identify a person are a special category
  (GDPR, Article 9).
- Not for hiring, policing, border control, insurance, credit, or detecting lies, wherever you are.
"""


def render(contract) -> str:
    """The card, as Markdown, of the model with this contract."""
    import jinja2

    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    template = environment.from_string(TEMPLATE)
    return template.render(contract=contract, training=contract["training"])


def write(folder, contract) -> None:
    """Writes the card into a version folder."""
    path = pathlib.Path(folder) / PATH
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(contract), encoding="utf-8")
