import java.util.List;
import java.util.concurrent.Callable;
import usher.ApiClient;
import usher.ApiException;
import usher.api.ManyUsersApi;
import usher.api.TokensApi;
import usher.api.UsersApi;
import usher.model.*;

/** The client that openapi-generator makes for Java, against a server: BASE SETTING PASSWORD. */
public class Walk {
    public static void main(String[] arguments) throws Exception {
        String base = arguments[0], setting = arguments[1], password = arguments[2];
        ApiClient client = new ApiClient();
        client.updateBaseUri(base);
        TokensApi tokens = new TokensApi(client);
        refused(401, () -> tokens.obtain(new ObtainRequest().username("admin").password("wrong")));
        String access = tokens.obtain(new ObtainRequest().username("admin").password(password)).getAccess();
        client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + access));

        UsersApi users = new UsersApi(client);
        User ada = users.createUser(whole("java.ada").email("ada@java.example"));
        User bob = users.createUser(whole("java.bob"));
        check(ada.getIsActive() && ada.getLastLogin() == null && ada.getDateJoined() != null);
        ApiException taken = refused(400, () -> users.createUser(whole("JAVA.ada")));
        check(taken.getResponseBody().contains("A user with that username already exists."));

        ByName.check(users, ada);

        CompareExpression key = new CompareExpression().type(CompareExpression.TypeEnum.COMPARE).field("pk")
                .operator(CompareExpression.OperatorEnum.GREATER_THAN_OR_EQUAL_TO)
                .value(new ComparedValue(java.math.BigDecimal.valueOf(ada.getPk())));
        ExactExpression exact = new ExactExpression().type(ExactExpression.TypeEnum.EXACT).field("username")
                .value(new Value("JAVA.ADA")).caseInsensitive(true);
        AndExpression both = new AndExpression().type(AndExpression.TypeEnum.AND)
                .subExpressions(List.of(new AndOperand(key), new AndOperand(exact)));
        ContainsExpression part = new ContainsExpression().type(ContainsExpression.TypeEnum.CONTAINS)
                .field("username").subString("java.b");
        OrExpression either = new OrExpression().type(OrExpression.TypeEnum.OR)
                .subExpressions(List.of(new OrOperand(both), new OrOperand(part)));
        UserList request = new UserList().expressions(List.of(new Expression(either)))
                .orderBy(List.of(new Order().field("pk").ascending(false)));
        check(users.listUsers(request).equals(List.of(bob, ada)));
        // The generated client sends null as a body of its own, which is none of the API's.
        check(users.listUsers(new UserList()).contains(ada));

        User changed = users.updateUser(ada.getPk(), whole("java.ada").firstName("Ada"), null);
        check(changed.getFirstName().equals("Ada") && changed.getEmail().isEmpty());
        UserChanges staff = new UserChanges().isStaff(true);
        String tag = users.partialUpdateUserWithHttpInfo(ada.getPk(), staff, null).getHeaders().get("ETag").get(0);
        check(users.partialUpdateUser(ada.getPk(), new UserChanges().lastName("L"), tag).getIsStaff());
        refused(412, () -> users.partialUpdateUser(ada.getPk(), staff, tag));

        ManyUsersApi many = new ManyUsersApi(client);
        BulkByKeys keys = new BulkByKeys().action(BulkAction.DEACTIVATE).ids(List.of(bob.getPk())).preview(true);
        check(many.bulk(new BulkRequest(keys)).getBulkPreview().getReady() == 1);
        BulkByFilter chosen = new BulkByFilter().action(BulkAction.DEACTIVATE)
                .filter(new Filter().expressions(List.of(new Expression(part))));
        check(many.bulk(new BulkRequest(chosen)).getBulkOutcome().getDone() == 1);

        users.deactivateUser(ada.getPk(), null);
        request.includeInactive(true);
        check(users.listUsers(request).stream().noneMatch(User::getIsActive));
    }

    private static WholeUser whole(String username) {
        return new WholeUser().username(username).password("a few unrelated words")
                .firstName("").lastName("").email("");
    }

    static void check(boolean holds) {
        if (!holds) throw new AssertionError();
    }

    static ApiException refused(int status, Callable<?> call) throws Exception {
        try {
            call.call();
        } catch (ApiException refusal) {
            if (refusal.getCode() == status) return refusal;
            throw refusal;
        }
        throw new AssertionError("no " + status);
    }
}
