"""The same addresses as Usher's API, and Django's own administration pages."""

from django.contrib import admin
from django.urls import path
from rest_framework_simplejwt.views import TokenObtainPairView

from . import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("v1/auth/obtain", TokenObtainPairView.as_view()),
    path("v1/users/list", views.UserList.as_view()),
    path("v1/users/create", views.UserCreate.as_view()),
    path("v1/users/<int:pk>", views.UserDetail.as_view()),
    path("v1/users/<str:username>", views.UserByName.as_view()),
]
