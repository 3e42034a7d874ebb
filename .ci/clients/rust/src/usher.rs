//! usher's own control API: a sandbox, its clock, faults, journal and
//! snapshots.

use chrono::TimeDelta;
use saymon_client::apis::users_api::get_current_user;
use usher_client::apis::clock_api::change_clock;
use usher_client::apis::configuration::Configuration;
use usher_client::apis::faults_api::{add_fault, list_faults};
use usher_client::apis::journal_api::{assert_journal, list_journal};
use usher_client::apis::sandboxes_api::{create_sandbox, delete_sandbox, get_sandbox, list_sandboxes};
use usher_client::apis::snapshots_api::{delete_snapshot, download_snapshot, take_snapshot, upload_snapshot};
use usher_client::apis::Error;
use usher_client::models::sandbox_spec::From;
use usher_client::models::{Assertion, ClockChange, Expectation, FaultSpec, Problem, SandboxSpec, SnapshotSpec};

use crate::journey::{failure, Result};

const NAME: &str = "journey-rust";
const COPY: &str = "journey-rust-copy";
const OPERATION: &str = "getCurrentUser";

fn saymon(sandbox: &str) -> saymon_client::apis::configuration::Configuration {
    saymon_client::apis::configuration::Configuration {
        base_path: format!("{sandbox}/node/api"),
        basic_auth: Some(("admin".to_owned(), Some("saymon-admin".to_owned()))),
        ..Default::default()
    }
}

fn expected(status: Option<i32>, exactly: i32) -> Expectation {
    Expectation {
        operation: Some(OPERATION.to_owned()),
        status,
        exactly: Some(exactly),
        ..Expectation::new()
    }
}

fn ordered(requests: Vec<Expectation>) -> Assertion {
    Assertion {
        ordered: Some(true),
        ..Assertion::new(requests)
    }
}

pub async fn journey(base: &str, say: impl Fn(String)) -> Result {
    let control = Configuration {
        base_path: format!("{base}/_usher"),
        ..Configuration::default()
    };

    let spec = SandboxSpec {
        name: Some(NAME.to_owned()),
        from: Some(From::Demo),
        ..SandboxSpec::new()
    };
    let sandbox = create_sandbox(&control, Some(spec)).await?;
    say(format!("created {}, at {}", sandbox.name, sandbox.urls.path));
    let sandboxes = list_sandboxes(&control).await?.sandboxes;
    let names: Vec<_> = sandboxes.into_iter().map(|sandbox| sandbox.name).collect();
    assert!(names.contains(&sandbox.name), "{names:?}");
    say(format!("read the list: {names:?}"));

    let freeze = ClockChange {
        frozen: Some(true),
        ..ClockChange::new()
    };
    let frozen = change_clock(&control, NAME, freeze).await?;
    let advance = ClockChange {
        advance: Some("1h30m".to_owned()),
        ..ClockChange::new()
    };
    let advanced = change_clock(&control, NAME, advance).await?;
    assert!(frozen.frozen && advanced.frozen, "{advanced:?}");
    assert_eq!(advanced.time - frozen.time, TimeDelta::minutes(90));
    say(format!(
        "froze the clock at {}, advanced it to {}",
        frozen.time, advanced.time
    ));

    let rule = FaultSpec {
        api: Some("saymon".to_owned()),
        operation: Some(OPERATION.to_owned()),
        status: Some(503),
        first: Some(1),
        ..FaultSpec::new()
    };
    let fault = add_fault(&control, NAME, rule.clone()).await?;
    assert_eq!(*fault.spec, rule);
    assert_eq!(list_faults(&control, NAME).await?.faults, [fault.clone()]);
    say(format!("added {}", fault.id));

    let admin = saymon(&sandbox.urls.path);
    let busy = {
        use saymon_client::apis::Error;
        failure!(503, get_current_user(&admin).await)
    };
    let own = get_current_user(&admin).await?;
    say(format!("SAYMON says {busy}, and then {}", own.login));

    let journal = list_journal(
        &control,
        NAME,
        None,
        Some(OPERATION),
        None,
        Some("5xx"),
        None,
        None,
        None,
        None,
    )
    .await?;
    let [entry] = journal.entries.as_slice() else {
        return Err(format!("not one failure: {journal:?}").into());
    };
    assert_eq!(entry.answer.status, 503);
    assert_eq!(entry.fault, Some(fault.id));
    assert_eq!(entry.at, advanced.time);
    let calls = ordered(vec![expected(Some(503), 1), expected(Some(200), 1)]);
    let verdict = assert_journal(&control, NAME, calls).await?;
    assert!(verdict.met, "{verdict:?}");
    let miss = assert_journal(&control, NAME, ordered(vec![expected(None, 3)])).await?;
    assert!(!miss.met, "{miss:?}");
    let reason = miss.requests[0].reason.as_deref().unwrap_or_default();
    say(format!("asserted the journal: {reason}"));

    let named = SnapshotSpec {
        name: Some(NAME.to_owned()),
    };
    let taken = take_snapshot(&control, NAME, Some(named)).await?;
    let bytes = download_snapshot(&control, NAME).await?.bytes().await?;
    let uploaded = upload(&control, &bytes).await?;
    assert_eq!((uploaded.name.as_str(), uploaded.size), (COPY, taken.size));
    say(format!(
        "took a snapshot, downloaded {} bytes, uploaded them as {}",
        bytes.len(),
        uploaded.name
    ));

    delete_snapshot(&control, NAME).await?;
    delete_snapshot(&control, COPY).await?;
    delete_sandbox(&control, NAME).await?;
    let gone = failure!(404, get_sandbox(&control, NAME).await);
    let gone: Problem = serde_json::from_str(&gone)?;
    assert_eq!((gone.r#type.as_str(), gone.status), ("about:blank", 404));
    say(format!("deleted: {}, {}", gone.title, gone.detail));
    Ok(())
}

/// Uploads the copy, of which the client takes a file.
async fn upload(control: &Configuration, bytes: &[u8]) -> Result<usher_client::models::Snapshot> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join(COPY);
    std::fs::write(&path, bytes)?;
    Ok(upload_snapshot(control, COPY, path).await?)
}
