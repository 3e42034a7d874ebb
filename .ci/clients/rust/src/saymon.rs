//! HTTP Basic, or a session whose id is the cookie `sid`.

use reqwest::header::{HeaderMap, COOKIE};
use saymon_client::apis::authentication_api::create_session;
use saymon_client::apis::configuration::Configuration;
use saymon_client::apis::users_api::{
    change_user_password, create_user, delete_user, get_current_user, get_user, list_users,
};
use saymon_client::apis::Error;
use saymon_client::models::{ChangePasswordRequest, CreateSessionRequest, CreateUserRequest};

use crate::journey::{failure, Result, FIRST, NAME, SECOND};

fn anyone(base: &str) -> Configuration {
    Configuration {
        base_path: format!("{base}/node/api"),
        ..Configuration::default()
    }
}

fn client(base: &str, user: &str, password: &str) -> Configuration {
    Configuration {
        basic_auth: Some((user.to_owned(), Some(password.to_owned()))),
        ..anyone(base)
    }
}

async fn log_in(base: &str, user: &str, password: &str) -> Result<Configuration> {
    let request = CreateSessionRequest {
        login: Some(Some(user.to_owned())),
        password: Some(Some(password.to_owned())),
        ..CreateSessionRequest::new()
    };
    let session = create_session(&anyone(base), request).await?;
    let headers = HeaderMap::from_iter([(COOKIE, format!("sid={session}").parse()?)]);
    Ok(Configuration {
        client: reqwest::Client::builder().default_headers(headers).build()?,
        ..anyone(base)
    })
}

pub async fn journey(base: &str, say: impl Fn(String)) -> Result {
    let admin = client(base, "admin", "saymon-admin");

    let user = create_user(
        &admin,
        CreateUserRequest {
            login: Some(NAME.to_owned()),
            permissions: Some(vec!["manage-links".to_owned()]),
            ..CreateUserRequest::new(FIRST.to_owned())
        },
    )
    .await?;
    say(format!("created {}, id {}", user.login, user.id));

    let session = log_in(base, NAME, FIRST).await?;
    let own = get_current_user(&session).await?;
    assert_eq!(own.id, user.id);
    let permissions = own.permissions.unwrap_or_default();
    say(format!("logged in, with the permissions {permissions:?}"));

    let change = ChangePasswordRequest {
        current_password: Some(Some(FIRST.to_owned())),
        ..ChangePasswordRequest::new(SECOND.to_owned())
    };
    change_user_password(&client(base, NAME, FIRST), &user.id, change).await?;
    say("changed the password".to_owned());

    let refused = failure!(401, get_current_user(&client(base, NAME, FIRST)).await);
    say(format!("the old one fails: {refused}"));
    failure!(401, get_current_user(&session).await);
    get_current_user(&client(base, NAME, SECOND)).await?;

    let users = list_users(&admin).await?;
    let logins: Vec<_> = users.into_iter().map(|user| user.login).collect();
    assert!(logins.contains(&user.login), "{logins:?}");
    say(format!("read the list: {logins:?}"));

    delete_user(&admin, &user.id).await?;
    let gone = failure!(404, get_user(&admin, &user.id).await);
    say(format!("deleted: {gone}"));
    Ok(())
}
