//! The events that are logged.

use cloister_domain::{Timestamp, UserId};
use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// The kind of an event. The names are part of the log's format and never change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum EventKind {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl EventKind {
            /// All kinds, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The kind's name in the log.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

kinds! {
    /// The appliance started to serve.
    ServiceStarted = "service.started",
    /// The appliance was shut down.
    ServiceStopped = "service.stopped",
    /// The certificate of the server was replaced by a new one.
    CertificateLoaded = "service.certificate-loaded",
    /// The clock of the machine was set, or the machine slept.
    ClockStepped = "service.clock-stepped",
    /// The log was opened after a crash. Entries without a signed checkpoint were signed.
    AuditRecovered = "audit.recovered",
    /// Someone signed in, or attempted to.
    SignedIn = "auth.signed-in",
    /// Attempts of people who were not signed in were refused. One entry counts many of them.
    AttemptsRefused = "auth.attempts-refused",
    /// Someone signed out.
    SignedOut = "auth.signed-out",
    /// A one-time link for the first administrator was made.
    SetupLinkMade = "auth.setup-link-made",
    /// The first administrator was added with the one-time link.
    FirstAdministrator = "auth.first-administrator",
    /// A person was added.
    UserAdded = "user.added",
    /// A person's roles or state were changed.
    UserChanged = "user.changed",
    /// A person's password was changed.
    PasswordChanged = "user.password-changed",
    /// An activation link was made, with which a person sets their password.
    ActivationLinkMade = "user.activation-link-made",
    /// An activation link was revoked before it was used.
    ActivationLinkRevoked = "user.activation-link-revoked",
    /// A person set their password with an activation link.
    UserActivated = "user.activated",
    /// A change of an account was requested, which another administrator has to approve.
    UserChangeRequested = "user.change-requested",
    /// Another administrator approved a change of an account. Further entries say what was done.
    UserChangeApproved = "user.change-approved",
    /// A change of an account was withdrawn or rejected.
    UserChangeWithdrawn = "user.change-withdrawn",
    /// A person who is signed in typed their password again, before a dangerous act.
    Reauthenticated = "auth.reauthenticated",
    /// A person who is signed in typed their password or a code again, and it was wrong.
    ReauthenticationFailed = "auth.reauthentication-failed",
    /// A person ended a session of theirs, or all but the one in use.
    SessionEnded = "auth.session-ended",
    /// A person put a second factor into use.
    SecondFactorEnabled = "auth.second-factor-enabled",
    /// The second factor of a person was removed.
    SecondFactorRemoved = "auth.second-factor-removed",
    /// A person registered a security key or passkey as a second factor.
    SecurityKeyAdded = "auth.security-key-added",
    /// A security key or passkey was removed.
    SecurityKeyRemoved = "auth.security-key-removed",
    /// The directory of the site no longer confirms a person, whose sessions and tokens ended.
    DirectoryRefused = "auth.directory-refused",
    /// The directory of the site stopped answering, or answers again.
    DirectoryAsked = "directory.asked",
    /// A person made new recovery codes for their second factor.
    RecoveryCodesMade = "auth.recovery-codes-made",
    /// A person created an API token.
    TokenCreated = "token.created",
    /// A person revoked an API token.
    TokenRevoked = "token.revoked",
    /// A group was added.
    GroupAdded = "group.added",
    /// A group was removed.
    GroupRemoved = "group.removed",
    /// A person joined a group.
    GroupJoined = "group.joined",
    /// A person left a group.
    GroupLeft = "group.left",
    /// A collection was added.
    CollectionAdded = "collection.added",
    /// A collection's settings were changed.
    CollectionChanged = "collection.changed",
    /// A group may read a collection from now on.
    AccessGranted = "access.granted",
    /// A group may no longer read a collection.
    AccessRevoked = "access.revoked",
    /// A request was denied.
    AccessDenied = "access.denied",
    /// A backup was made.
    BackupMade = "backup.made",
    /// The data was restored from a backup.
    BackupRestored = "backup.restored",
    /// An administrator accepted the state that was restored from a backup.
    BackupAccepted = "backup.accepted",
    /// A file was published and became searchable.
    DocumentPublished = "document.published",
    /// An administrator uploaded a file into a collection.
    DocumentUploaded = "document.uploaded",
    /// An administrator deleted a file from the inbox. Its original can be put back.
    DocumentDeleted = "document.deleted",
    /// An administrator put a removed file back into the inbox.
    DocumentPutBack = "document.put-back",
    /// A file was quarantined.
    DocumentQuarantined = "document.quarantined",
    /// A quarantined file was returned to the queue.
    DocumentRetried = "document.retried",
    /// A file was moved. Its history is kept.
    DocumentMoved = "document.moved",
    /// A removed file was restored with the same content.
    DocumentRestored = "document.restored",
    /// An administrator cancelled the ingestion of a file.
    DocumentCancelled = "document.cancelled",
    /// Ingestion was paused.
    IngestionPaused = "ingestion.paused",
    /// Ingestion was resumed.
    IngestionResumed = "ingestion.resumed",
    /// A file was removed from the inbox and no longer answers.
    DocumentRemoved = "document.removed",
    /// A question was answered with these passages and quotes.
    QuestionAnswered = "question.answered",
    /// A question was refused, because the documents do not answer it.
    QuestionRefused = "question.refused",
    /// A generated sentence was verified and shown.
    SentenceShown = "answer.sentence-shown",
    /// An answer was finished. The event lists what was shown and what was withheld.
    AnswerEnded = "answer.ended",
    /// Passages were searched, without a question.
    Searched = "search.done",
    /// Someone opened one of their earlier conversations, which showed these quotes again.
    ConversationOpened = "conversation.opened",
    /// Someone deleted one of their conversations. Its entries in this log remain.
    ConversationDeleted = "conversation.deleted",
    /// A page was opened.
    PageOpened = "page.opened",
    /// The audit log was viewed.
    AuditViewed = "audit.viewed",
    /// Entries of the audit log were exported.
    AuditExported = "audit.exported",
    /// A checkpoint was taken, to be kept elsewhere.
    CheckpointTaken = "audit.checkpoint-taken",
    /// The checkpoint was stored outside the machine.
    AuditAnchored = "audit.anchored",
    /// The audit log was verified.
    AuditVerified = "audit.verified",
    /// The person who asked rated an answer.
    AnswerRated = "answer.rated",
    /// An answer was replayed, to check that it is the same.
    AnswerReplayed = "answer.replayed",
    /// The indexes were rebuilt from the rows.
    IndexRebuilt = "index.rebuilt",
}

/// How an event ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is about to be done. Another entry says how it ended.
    Started,
    /// It succeeded.
    Success,
    /// It failed.
    Failure,
    /// It was not permitted.
    Denied,
}

/// Who caused an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The person's id, which is never reused. `None` for the appliance itself, or if the person is
    /// unknown.
    pub user: Option<UserId>,
    /// The person's name at that time.
    pub name: String,
}

impl Actor {
    /// The appliance itself.
    pub fn appliance() -> Self {
        Self {
            user: None,
            name: "appliance".into(),
        }
    }
}

impl From<&cloister_domain::Principal> for Actor {
    fn from(principal: &cloister_domain::Principal) -> Self {
        Self {
            user: Some(principal.user),
            name: principal.name.clone(),
        }
    }
}

/// An event before it is appended to the log.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its kind.
    pub kind: EventKind,
    /// How it ended.
    pub outcome: Outcome,
    /// Who caused it.
    pub actor: Actor,
    /// Where the request came from: an address, with the id of the API token that was used, or
    /// `console` and the account of the operating system.
    pub origin: String,
    /// The id that the events of one request have in common.
    pub request: Option<String>,
    /// Further details for compliance officers.
    pub detail: serde_json::Value,
}

impl Event {
    /// A successful event that the appliance itself caused.
    pub fn by_appliance(kind: EventKind, detail: serde_json::Value) -> Self {
        Self {
            kind,
            outcome: Outcome::Success,
            actor: Actor::appliance(),
            origin: "appliance".into(),
            request: None,
            detail,
        }
    }
}

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The version of this format.
    pub v: u32,
    /// Its position in the log, counted from 0.
    pub seq: u64,
    /// When it was logged.
    pub at: Timestamp,
    /// The kind of the event.
    pub kind: EventKind,
    /// How it ended.
    pub outcome: Outcome,
    /// Who caused it.
    pub actor: Actor,
    /// Where the request came from.
    pub origin: String,
    /// The id that the events of one request have in common.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request: Option<String>,
    /// Further details for compliance officers.
    pub detail: serde_json::Value,
}

impl Entry {
    /// The version that is written.
    pub(crate) const VERSION: u32 = 2;

    /// The first version in which no entry is dated before its predecessor.
    pub(crate) const ASCENDING_SINCE: u32 = 2;

    pub(crate) fn new(event: Event, seq: u64, at: Timestamp) -> Self {
        let Event {
            kind,
            outcome,
            actor,
            origin,
            request,
            detail,
        } = event;
        Self {
            v: Self::VERSION,
            seq,
            at,
            kind,
            outcome,
            actor,
            origin,
            request,
            detail,
        }
    }
}
