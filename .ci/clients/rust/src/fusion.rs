//! HTTP Basic on every call.

use fusion_client::apis::configuration::Configuration;
use fusion_client::apis::user_management_api::{create_user, delete_user, get_user, get_users, update_password};
use fusion_client::apis::Error;
use fusion_client::models::{CreateUserPublicView, UpdatePasswordPublicView};

use crate::journey::{failure, Result, FIRST, NAME, SECOND};

fn client(base: &str, user: &str, password: &str) -> Configuration {
    Configuration {
        base_path: format!("{base}/api"),
        basic_auth: Some((user.to_owned(), Some(password.to_owned()))),
        ..Configuration::default()
    }
}

pub async fn journey(base: &str, say: impl Fn(String)) -> Result {
    let admin = client(base, "admin", "Fusion4dmin");

    let user = create_user(
        &admin,
        CreateUserPublicView {
            password: Some(FIRST.to_owned()),
            role_names: Some(vec!["search".to_owned()]),
            ..CreateUserPublicView::new(NAME.to_owned())
        },
    )
    .await?;
    say(format!("created {}, id {}", user.username, user.id));

    let own = get_user(&client(base, NAME, FIRST), &user.id).await?;
    say(format!("logged in, with the roles {:?}", own.role_names));

    let changed = update_password(
        &client(base, NAME, FIRST),
        &user.id,
        UpdatePasswordPublicView {
            current_password: Some(FIRST.to_owned()),
            ..UpdatePasswordPublicView::new(SECOND.to_owned(), SECOND.to_owned())
        },
    )
    .await?;
    let time = changed.updated_at.ok_or("a change without a time")?;
    say(format!("changed the password at {time}"));

    let refused = failure!(401, get_user(&client(base, NAME, FIRST), &user.id).await);
    say(format!("the old one fails: {refused}"));
    get_user(&client(base, NAME, SECOND), &user.id).await?;

    let users = get_users(&admin, None, None).await?;
    let names: Vec<_> = users.into_iter().map(|user| user.username).collect();
    assert!(names.contains(&user.username), "{names:?}");
    say(format!("read the list: {names:?}"));

    delete_user(&admin, &user.id).await?;
    let gone = failure!(404, get_user(&admin, &user.id).await);
    say(format!("deleted: {gone}"));
    Ok(())
}
