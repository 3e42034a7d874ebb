//! POST only, and a code that tells success from failure under HTTP 200.

use milvus_client::apis::configuration::Configuration;
use milvus_client::apis::users_api::{create_user, describe_user, drop_user, list_users, update_password};
use milvus_client::apis::Error;
use milvus_client::models::{
    CreateUserRequest, DescribeUserRequest, DropUserRequest, EmptyResult, ListRequest, UpdatePasswordRequest,
};

use crate::journey::{failure, Result, FIRST, NAME, SECOND};

fn client(base: &str, user: &str, password: &str) -> Configuration {
    Configuration {
        base_path: format!("{base}/v2/vectordb"),
        bearer_access_token: Some(format!("{user}:{password}")),
        ..Configuration::default()
    }
}

/// HTTP 200 does not mean success: the code does.
fn done(result: EmptyResult) {
    assert_eq!(result.code, 0, "{result:?}");
}

async fn names(client: &Configuration) -> Result<Vec<String>> {
    let result = list_users(client, ListRequest::new(), None, None).await?;
    assert_eq!(result.code, 0, "{result:?}");
    Ok(result.data.unwrap_or_default())
}

pub async fn journey(base: &str, say: impl Fn(String)) -> Result {
    let root = client(base, "root", "Milvus");
    let name = NAME.to_owned();

    let request = CreateUserRequest::new(name.clone(), FIRST.to_owned());
    done(create_user(&root, request, None, None).await?);
    say(format!("created {name}"));

    let describe = DescribeUserRequest::new(name.clone());
    let own = describe_user(&client(base, NAME, FIRST), describe.clone(), None, None).await?;
    assert_eq!(own.code, 0, "{own:?}");
    say(format!("logged in, with the roles {:?}", own.data.unwrap_or_default()));

    let change = UpdatePasswordRequest::new(name.clone(), FIRST.to_owned(), SECOND.to_owned());
    done(update_password(&client(base, NAME, FIRST), change.clone(), None, None).await?);
    say("changed the password".to_owned());

    let refused = failure!(
        401,
        describe_user(&client(base, NAME, FIRST), describe, None, None).await
    );
    say(format!("the old one fails: {refused}"));
    let again = update_password(&client(base, NAME, SECOND), change, None, None).await?;
    assert_eq!(again.code, 1400, "{again:?}");
    let message = again.message.unwrap_or_default();
    say(format!(
        "so does another change from it, under HTTP 200: {}, {message}",
        again.code
    ));

    let list = names(&root).await?;
    assert!(list.contains(&name), "{list:?}");
    say(format!("read the list: {list:?}"));

    done(drop_user(&root, DropUserRequest::new(name.clone()), None, None).await?);
    assert!(!names(&root).await?.contains(&name));
    say("deleted".to_owned());
    Ok(())
}
