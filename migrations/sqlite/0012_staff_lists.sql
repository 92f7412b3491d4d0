-- The few members of staff in the order of each column that lists sort by: a list of them looks at no other user.
CREATE INDEX users_staff_username ON users (username) WHERE is_staff = TRUE;
CREATE INDEX users_staff_first_name ON users (first_name, id) WHERE is_staff = TRUE;
CREATE INDEX users_staff_last_name ON users (last_name, id) WHERE is_staff = TRUE;
CREATE INDEX users_staff_email ON users (email, id) WHERE is_staff = TRUE;
CREATE INDEX users_staff_name_folded ON users (name_folded, id) WHERE is_staff = TRUE;
CREATE INDEX users_staff_date_joined ON users (date_joined, id) WHERE is_staff = TRUE;
CREATE INDEX users_staff_last_login ON users (last_login, id) WHERE is_staff = TRUE;
