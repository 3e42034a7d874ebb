//! A login, and Bearer from then on.

use applivery_client::apis::authentication_api::{login, LoginError};
use applivery_client::apis::configuration::Configuration;
use applivery_client::apis::users_api::{
    change_user_password, create_user, delete_user, get_profile, get_user, list_users,
};
use applivery_client::apis::Error;
use applivery_client::models::{ChangePasswordRequest, CreateUserRequest, LoginPayload, LoginProvider, LoginRequest};

use crate::journey::{failure, Result, FIRST, NAME, SECOND};

async fn log_in(base: &str, email: &str, password: &str) -> std::result::Result<Configuration, Error<LoginError>> {
    let anyone = Configuration {
        base_path: format!("{base}/v1"),
        ..Configuration::default()
    };
    let payload = LoginPayload::new(email.to_owned(), password.to_owned());
    let result = login(&anyone, LoginRequest::new(LoginProvider::Traditional, payload)).await?;
    Ok(Configuration {
        bearer_access_token: Some(result.data.access_token.token),
        ..anyone
    })
}

pub async fn journey(base: &str, say: impl Fn(String)) -> Result {
    let admin = log_in(base, "admin@example.com", "AdminSecureP@ss123").await?;
    let email = format!("{NAME}@example.com");

    let request = CreateUserRequest::new(email.clone(), FIRST.to_owned(), "Ada".to_owned(), "Byron".to_owned());
    let user = create_user(&admin, request).await?.data;
    say(format!("created {}, id {}", user.full_name, user.id));

    let ada = log_in(base, &email, FIRST).await?;
    let own = get_profile(&ada).await?.data;
    assert_eq!(own.id, user.id);
    let time = own
        .activity_trace
        .last_login
        .dashboard
        .ok_or("a login without a time")?;
    say(format!("logged in, at {time}"));

    let change = ChangePasswordRequest::new(FIRST.to_owned(), SECOND.to_owned());
    let changed = change_user_password(&ada, &user.id, change).await?.data;
    say(format!("changed the password: {}", changed.password_changed));

    let refused = failure!(403, log_in(base, &email, FIRST).await);
    say(format!("the old one fails: {refused}"));
    log_in(base, &email, SECOND).await?;

    let page = list_users(&admin, None, Some(100), Some("email:asc")).await?.data;
    assert_eq!(page.prev_page, None);
    let emails: Vec<_> = page.items.into_iter().map(|user| user.email).collect();
    assert!(emails.contains(&email), "{emails:?}");
    say(format!("read the list: {emails:?}"));

    let deleted = delete_user(&admin, &user.id).await?.data;
    let gone = failure!(404, get_user(&admin, &user.id).await);
    say(format!("deleted: {}, then {gone}", deleted.delete));
    Ok(())
}
