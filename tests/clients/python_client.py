"""The client that openapi-generator makes for Python, against a server: BASE SETTING PASSWORD."""

import sys

import usher_client as usher
from usher_client import rest

base, setting, password = sys.argv[1:]
NEW = {"password": "a few unrelated words", "first_name": "", "last_name": "", "email": ""}


def refused(status, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except rest.ApiException as refusal:
        assert refusal.status == status, refusal
        return refusal
    raise AssertionError(f"no {status}")


def header(answer, name):
    return {known.lower(): value for known, value in answer.headers.items()}[name.lower()]


with usher.ApiClient(usher.Configuration(host=base)) as anonymous:
    tokens = usher.TokensApi(anonymous)
    refused(401, tokens.obtain, usher.ObtainRequest(username="admin", password="wrong"))
    access = tokens.obtain(usher.ObtainRequest(username="admin", password=password)).access

with usher.ApiClient(usher.Configuration(host=base, access_token=access)) as client:
    users = usher.UsersApi(client)
    ada = users.create_user(usher.WholeUser(**{**NEW, "username": "python.ada", "email": "ada@python.example"}))
    bob = users.create_user(usher.WholeUser(**NEW, username="python.bob"))
    assert ada.is_active and ada.last_login is None and ada.date_joined.tzinfo
    refusal = refused(400, users.create_user, usher.WholeUser(**NEW, username="PYTHON.ada"))
    assert refusal.data.additional_properties["username"] == ["A user with that username already exists."]

    if setting == "object":
        assert users.retrieve_user(pk=str(ada.pk)) == users.retrieve_user(pk="python.ADA") == ada
        refused(404, users.retrieve_user, pk="python.nobody")
    else:
        assert users.retrieve_user(pk=ada.pk) == ada
        assert users.retrieve_user_by_name(name="python.ADA") == [ada]
        assert users.retrieve_user_by_name(name="python.nobody") == []

    key = usher.CompareExpression(type="compare", field="pk", operator=">=", value=usher.ComparedValue(ada.pk))
    exact = usher.ExactExpression(
        type="exact", field="username", value=usher.Value("PYTHON.ADA"), case_insensitive=True
    )
    both = usher.AndExpression(type="and", sub_expressions=[usher.AndOperand(key), usher.AndOperand(exact)])
    part = usher.ContainsExpression(type="contains", field="username", sub_string="python.b")
    either = usher.OrExpression(type="or", sub_expressions=[usher.OrOperand(both), usher.OrOperand(part)])
    never = usher.IsNullExpression(type="isnull", field="last_login")
    request = usher.UserList(
        expressions=[usher.Expression(either), usher.Expression(never)],
        order_by=[usher.Order(field="pk", ascending=False)],
    )
    assert users.list_users(request) == [bob, ada]
    assert ada in users.list_users()
    page = users.list_users_with_http_info(usher.UserList(limit=1))
    assert header(page, "Link") and len(page.data) == 1
    wrong = usher.UserList(expressions=[usher.Expression(usher.IsNullExpression(type="isnull", field="x"))])
    assert "unknown field" in refused(400, users.list_users, wrong).data.detail

    changed = users.update_user(ada.pk, usher.WholeUser(**{**NEW, "username": "python.ada", "first_name": "Ada"}))
    assert (changed.first_name, changed.email) == ("Ada", "")
    read = users.retrieve_user_with_http_info(pk=ada.pk if setting == "array" else str(ada.pk))
    changed = users.partial_update_user(ada.pk, usher.UserChanges(is_staff=True), if_match=header(read, "ETag"))
    assert changed.is_staff and changed.first_name == "Ada"
    refused(412, users.partial_update_user, ada.pk, usher.UserChanges(), if_match=header(read, "ETag"))

    many = usher.ManyUsersApi(client)
    keys = usher.BulkByKeys(action="deactivate", ids=[bob.pk], preview=True)
    preview = many.bulk(usher.BulkRequest(keys)).actual_instance
    assert isinstance(preview, usher.BulkPreview) and preview.ready == 1
    chosen = usher.BulkByFilter(action="deactivate", filter=usher.Filter(expressions=[usher.Expression(part)]))
    outcome = many.bulk(usher.BulkRequest(chosen)).actual_instance
    assert isinstance(outcome, usher.BulkOutcome) and (outcome.done, outcome.users[0].pk) == (1, bob.pk)

    users.deactivate_user(ada.pk)
    found = users.list_users(usher.UserList(expressions=[usher.Expression(exact)], include_inactive=True))
    assert [user.is_active for user in found] == [False]
    entries = usher.AuditLogApi(client).list_entries(usher.AuditList(limit=1))
    assert entries[0].action == "user_deactivated" and entries[0].target.username == "python.ada"
