"""Which keys this process was given: whether, never what."""

from dataclasses import dataclass

from rapport.settings import Settings


@dataclass(frozen=True)
class Key:
    """A secret by the name of its environment variable. `note` says what it is for, or what stands in."""

    name: str
    is_there: bool
    note: str


def keys(settings: Settings) -> list[Key]:
    """Every secret that Rapport knows, in the order in which one sets them up."""
    has_file = (settings.home / "secrets" / "recipient_key").exists()
    own_recipient_key = "one made under RAPPORT_HOME/secrets stands in" if has_file else "none was made yet"
    webhook = len(settings.webhook_keys)
    signing = len(settings.unsubscribe_keys)
    return [
        Key(
            "RAPPORT_RECIPIENT_KEY",
            settings.recipient_key is not None,
            "stands for addresses; opt-outs hang on it"
            if settings.recipient_key is not None
            else own_recipient_key,
        ),
        Key("SENDGRID_API_KEY", settings.sendgrid_api_key is not None, "sends over SendGrid"),
        Key("RAPPORT_SMTP_USER", settings.smtp_user is not None, "logs in to the mail server"),
        Key("RAPPORT_SMTP_PASSWORD", settings.smtp_password is not None, "logs in to the mail server"),
        Key(
            "RAPPORT_WEBHOOK_KEYS",
            webhook > 0,
            f"verify SendGrid's events: {webhook} at a time" if webhook else "verify SendGrid's events",
        ),
        Key(
            "RAPPORT_UNSUBSCRIBE_KEYS",
            signing > 0,
            f"sign unsubscribe links: the first of {signing}"
            if signing
            else "sign unsubscribe links; derived from the recipient key while unset",
        ),
        Key(
            "RAPPORT_PUBLIC_DATABASE_URL",
            settings.public_database_url is not None,
            "the log-in of rapport serve",
        ),
        Key("RAPPORT_ALERT_WEBHOOK", settings.alert_webhook is not None, "is told when something fails"),
    ]
