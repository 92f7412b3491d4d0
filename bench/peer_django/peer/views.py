"""Users over JSON, written as Django REST framework's documentation does it."""

import operator
from functools import reduce

from django.contrib.auth.models import User
from django.db.models import Q
from rest_framework import generics, permissions, serializers
from rest_framework.response import Response


class UserSerializer(serializers.ModelSerializer):
    """The ten members that Usher shows, and a password that can only be written."""

    class Meta:
        model = User
        fields = [
            "username",
            "pk",
            "last_login",
            "is_superuser",
            "first_name",
            "last_name",
            "email",
            "is_staff",
            "is_active",
            "date_joined",
            "password",
        ]
        read_only_fields = ["pk", "last_login", "is_superuser", "date_joined"]
        extra_kwargs = {"password": {"write_only": True}}

    def create(self, validated_data):
        return User.objects.create_user(**validated_data)


class IsAdminOrSelf(permissions.IsAdminUser):
    """Staff see all users, others themselves."""

    def has_permission(self, request, view):
        return bool(request.user and request.user.is_authenticated)

    def has_object_permission(self, request, view, obj):
        return request.user.is_staff or request.user.pk == obj.pk


class UserDetail(generics.RetrieveUpdateDestroyAPIView):
    queryset = User.objects.all()
    serializer_class = UserSerializer
    permission_classes = [IsAdminOrSelf]


class UserByName(generics.RetrieveAPIView):
    queryset = User.objects.all()
    serializer_class = UserSerializer
    permission_classes = [IsAdminOrSelf]
    lookup_field = "username"


class UserCreate(generics.CreateAPIView):
    serializer_class = UserSerializer
    permission_classes = [permissions.IsAdminUser]


OPERATORS = {"=": "", "<": "__lt", "<=": "__lte", ">": "__gt", ">=": "__gte"}


def condition(expression):
    """One expression of the filter language."""
    kind = expression["type"]
    if kind in ("and", "or"):
        join = operator.and_ if kind == "and" else operator.or_
        found = reduce(join, map(condition, expression["sub_expressions"]))
    else:
        field = expression["field"]
        ignore_case = expression.get("case_insensitive", False)
        if kind == "contains":
            found = Q(**{field + ("__icontains" if ignore_case else "__contains"): expression["sub_string"]})
        elif kind == "exact":
            found = Q(**{field + ("__iexact" if ignore_case else ""): expression["value"]})
        else:
            found = Q(**{field + OPERATORS[expression["operator"]]: expression["value"]})
    return ~found if expression.get("invert") else found


class UserList(generics.GenericAPIView):
    serializer_class = UserSerializer
    permission_classes = [permissions.IsAdminUser]

    def post(self, request):
        users = User.objects.all()
        if not request.data.get("include_inactive"):
            users = users.filter(is_active=True)
        for expression in request.data.get("expressions", []):
            users = users.filter(condition(expression))
        order = [
            ("" if term.get("ascending", True) else "-") + term["field"]
            for term in request.data.get("order_by", [])
        ]
        users = users.order_by(*order, "pk")
        start = request.data.get("offset", 0)
        if limit := request.data.get("limit"):
            users = users[start : start + limit]
        return Response(self.get_serializer(users, many=True).data)
