"""What can be wrong with a template, and with one person's mail."""


class TemplateMistakes(Exception):
    """What is wrong with a template, one sentence a mistake."""

    def __init__(self, sentences: list[str]) -> None:
        super().__init__("; ".join(sentences))
        self.sentences = sentences


class RenderError(Exception):
    """This person's mail cannot be rendered. The message holds no personal data."""


EMPTY = "a field is empty for this person; give it a fallback, like {{ field or 'there' }}"
