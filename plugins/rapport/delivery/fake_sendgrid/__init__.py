"""A SendGrid of our own on 127.0.0.1, for rehearsals and tests: strict about what it is sent, faulty on
demand."""

from rapport.delivery.fake_sendgrid.behaviour import Behaviour
from rapport.delivery.fake_sendgrid.disorder import Disorder
from rapport.delivery.fake_sendgrid.events import Happening
from rapport.delivery.fake_sendgrid.faults import Fault
from rapport.delivery.fake_sendgrid.handle import FakeSendGrid
from rapport.delivery.fake_sendgrid.log import Accepted, Asked
from rapport.delivery.fake_sendgrid.received import ReceivedMail
from rapport.delivery.fake_sendgrid.tally import Tally

__all__ = [
    "Accepted",
    "Asked",
    "Behaviour",
    "Disorder",
    "FakeSendGrid",
    "Fault",
    "Happening",
    "ReceivedMail",
    "Tally",
]
