import usher.api.UsersApi;
import usher.model.User;

class ByName {
    static void check(UsersApi users, User ada) throws Exception {
        Walk.check(users.retrieveUser(ada.getPk().toString(), null, null).equals(ada));
        Walk.check(users.retrieveUser("JAVA.ada", null, null).equals(ada));
        Walk.refused(404, () -> users.retrieveUser("java.nobody", null, null));
    }
}
