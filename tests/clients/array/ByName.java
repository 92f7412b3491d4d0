import usher.api.UsersApi;
import usher.model.User;

class ByName {
    static void check(UsersApi users, User ada) throws Exception {
        Walk.check(users.retrieveUser(ada.getPk(), null, null).equals(ada));
        Walk.check(users.retrieveUserByName("JAVA.ada", null, null).equals(java.util.List.of(ada)));
        Walk.check(users.retrieveUserByName("java.nobody", null, null).isEmpty());
    }
}
