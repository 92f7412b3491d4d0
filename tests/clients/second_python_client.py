"""The client that openapi-python-client makes, against a server: BASE SETTING PASSWORD."""

import sys

from usher_client import AuthenticatedClient, Client, models
from usher_client.api.many_users import bulk
from usher_client.api.tokens import obtain
from usher_client.api.users import (
    create_user,
    deactivate_user,
    list_users,
    partial_update_user,
    retrieve_user,
    update_user,
)
from usher_client.models import (
    AndExpression,
    AndExpressionType,
    BulkAction,
    BulkByKeys,
    CompareExpression,
    CompareExpressionOperator,
    CompareExpressionType,
    ContainsExpression,
    ContainsExpressionType,
    ExactExpression,
    ExactExpressionType,
    OrExpression,
    OrExpressionType,
    UserList,
    WholeUser,
)

base, setting, password = sys.argv[1:]


def whole(username, **members):
    given = {"first_name": "", "last_name": "", "email": "", **members}
    return WholeUser(username=username, password="a few unrelated words", **given)


signed_in = obtain.sync(client=Client(base), body=models.ObtainBody(username="admin", password=password))
client = AuthenticatedClient(base, token=signed_in.access)

ada = create_user.sync(client=client, body=whole("second.ada"))
bob = create_user.sync(client=client, body=whole("second.bob"))
refusal = create_user.sync(client=client, body=whole("second.ada"))
assert isinstance(refusal, models.BadRequest)
assert refusal.additional_properties == {"username": ["A user with that username already exists."]}

if setting == "object":
    assert retrieve_user.sync(str(ada.pk), client=client) == retrieve_user.sync("SECOND.ada", client=client) == ada
    assert retrieve_user.sync_detailed("second.nobody", client=client).status_code == 404
else:
    from usher_client.api.users import retrieve_user_by_name

    assert retrieve_user.sync(ada.pk, client=client) == ada
    assert retrieve_user_by_name.sync("SECOND.ada", client=client) == [ada]
    assert retrieve_user_by_name.sync("second.nobody", client=client) == []

key = CompareExpression(CompareExpressionType.COMPARE, "pk", CompareExpressionOperator(">="), ada.pk)
exact = ExactExpression(ExactExpressionType.EXACT, "username", "SECOND.ADA", case_insensitive=True)
both = AndExpression(AndExpressionType.AND, [key, exact])
part = ContainsExpression(ContainsExpressionType.CONTAINS, "username", "second.b")
either = OrExpression(OrExpressionType.OR, [both, part])
assert list_users.sync(client=client, body=UserList(expressions=[either])) == [ada, bob]

assert update_user.sync(ada.pk, client=client, body=whole("second.ada", first_name="Ada")).first_name == "Ada"
tag = retrieve_user.sync_detailed(str(ada.pk), client=client).headers["ETag"]
changes = models.UserChanges(is_staff=True)
assert partial_update_user.sync(ada.pk, client=client, body=changes, if_match=tag).is_staff
stale = partial_update_user.sync_detailed(ada.pk, client=client, body=changes, if_match=tag)
assert stale.status_code == 412

preview = bulk.sync(client=client, body=BulkByKeys(BulkAction.DEACTIVATE, [bob.pk], preview=True))
assert isinstance(preview, models.BulkPreview) and preview.ready == 1
outcome = bulk.sync(client=client, body=BulkByKeys(BulkAction.DEACTIVATE, [bob.pk]))
assert isinstance(outcome, models.BulkOutcome) and outcome.done == 1

assert deactivate_user.sync_detailed(ada.pk, client=client).status_code == 204
assert not retrieve_user.sync(str(ada.pk), client=client).is_active
