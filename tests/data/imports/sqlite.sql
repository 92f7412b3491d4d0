PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE IF NOT EXISTS "auth_user" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "password" varchar(128) NOT NULL, "last_login" datetime NULL, "is_superuser" bool NOT NULL, "username" varchar(150) NOT NULL UNIQUE, "last_name" varchar(150) NOT NULL, "email" varchar(254) NOT NULL, "is_staff" bool NOT NULL, "is_active" bool NOT NULL, "date_joined" datetime NOT NULL, "first_name" varchar(150) NOT NULL);
INSERT INTO auth_user VALUES(61,'pbkdf2_sha256$1000$saltone$N33eaNy0QUuNTZ3E6heKgLusO8nFjlrDX6lr8iTdcF8=',NULL,1,'mara','O''Ellingsen','mara@example.org',1,1,'2021-03-04 05:06:07.123','Mara');
INSERT INTO auth_user VALUES(62,'pbkdf2_sha256$1000$salttwo$h1IaUMGpP1EPgfYFsGo/faoHasnViEj2KZkxwJvXW5k=',NULL,0,'jorn','a\nb','',0,0,'2021-03-04 05:06:07','Jörn');
INSERT INTO sqlite_sequence VALUES('auth_user',62);
COMMIT;
