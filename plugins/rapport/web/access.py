"""Who may see and do what: Airflow's log-in and roles, asked for on every route.

The pages' three roles follow from what Airflow lets a user do, whichever auth manager it runs with: who may
change connections is an operator, who may change DAGs a marketer, anybody else with a log-in a viewer.
"""

from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.core_api.security import get_user
from fastapi import Depends, HTTPException, status

from rapport.web.visitors import Role, Visitor


def visitor(user: Annotated[BaseUser, Depends(get_user)]) -> Visitor:
    """Anybody who is logged in."""
    return Visitor(user.get_name(), _role(user))


def marketer(who: Annotated[Visitor, Depends(visitor)]) -> Visitor:
    """Somebody who may see people and decide on campaigns."""
    return _at_least(who, Role.MARKETER)


def operator(who: Annotated[Visitor, Depends(visitor)]) -> Visitor:
    """Somebody who may change settings."""
    return _at_least(who, Role.OPERATOR)


Viewer = Annotated[Visitor, Depends(visitor)]
Marketer = Annotated[Visitor, Depends(marketer)]
Operator = Annotated[Visitor, Depends(operator)]


def _at_least(who: Visitor, role: Role) -> Visitor:
    if not who.may(role):
        raise HTTPException(
            status.HTTP_403_FORBIDDEN,
            f"this page is for {role.name.lower()}s; {who.name} is a {who.role.name.lower()}",
        )
    return who


def _role(user: BaseUser) -> Role:
    manager = get_auth_manager()
    if manager.is_authorized_connection(method="PUT", user=user):
        return Role.OPERATOR
    if manager.is_authorized_dag(method="PUT", user=user):
        return Role.MARKETER
    return Role.VIEWER
