//! Another link to an address that is still to be confirmed.

use rocket::post;

use crate::model::error::{Error, Result};
use crate::model::permission::SignedIn;
use crate::operations::addresses;
use crate::web::form_body::FormBody;
use crate::web::layout::{ConsoleSession, Said};
use crate::web::reauthentication::{self, ConfirmedForm, Question};
use crate::web::sign_in::too_many_tries;
use crate::web::view::{Answer, ConfirmationPage};

/// Sends it, with the password; the one before no longer works.
#[post("/account/confirm-address", data = "<form>")]
pub(super) async fn send_again(
    mut console: ConsoleSession<'_, SignedIn>,
    form: FormBody<ConfirmedForm>,
) -> Result<Answer<ConfirmationPage>> {
    console.check(&form.token)?;
    let send = |can| async move { addresses::send_again(&can).await };
    match reauthentication::with(&mut console, &form.current_password, send).await {
        Ok(Some(address)) => {
            console.flash(format!("Sent another link to {address}. Older ones no longer work."), None);
        }
        Ok(None) => console.flash(Said::neutral("No address has to be confirmed."), None),
        Err(Error::Throttled(seconds)) => console.flash(Said::neutral(too_many_tries(seconds)), None),
        Err(error) => {
            let question = Question {
                title: "Send another link?",
                text: "Once it is opened, messages and links for your account go to the address.",
                button: "Send another link",
                action: "/account/confirm-address".into(),
                back: "/account".into(),
            };
            return question.after(error, &console, "account");
        }
    }
    Ok(Answer::Redirect("/account".into()))
}
