//! Authorisation with Cedar.

use crate::error::PolicyError;
use cedar_policy::{
    Authorizer, Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicyId,
    PolicySet, Request, RestrictedExpression, Schema, ValidationMode, Validator,
};
use cloister_domain::{CollectionId, GroupId, Permitted, Principal, Role, UserId};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};

const POLICIES: &str = include_str!("../cloister.cedar");
const SCHEMA: &str = include_str!("../cloister.cedarschema");

/// A collection and the groups to which it is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantedCollection<'a> {
    /// The collection.
    pub collection: CollectionId,
    /// The groups.
    pub readers: &'a [GroupId],
}

/// What a person requests to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorizationRequest<'a> {
    /// Ask about a collection, search it, and open its pages.
    Read(GrantedCollection<'a>),
    /// Manage people, groups and collections, grant access, and see and retry files.
    Administer,
    /// See, search and verify the audit log.
    Review,
    /// Have the roles of the principal at once.
    HoldRoles,
    /// Give a person other roles.
    ChangeRoles(RoleChange<'a>),
    /// Disable this person, or let them sign in again.
    ChangeState(&'a Principal),
    /// Make a link that sets a password of a person, or remove their second factor.
    ResetCredentials(CredentialReset<'a>),
}

/// A change of a person's roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleChange<'a> {
    /// The person, with their present roles.
    pub account: &'a Principal,
    /// The new roles.
    pub roles: &'a [Role],
    /// The number of people who are administrators.
    pub administrators: u64,
    /// The administrator who requested the change, if another one is to approve it.
    pub requester: Option<UserId>,
}

/// A reset of a person's password or second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialReset<'a> {
    /// The person.
    pub account: &'a Principal,
    /// Whether the person has set a password before.
    pub activated: bool,
    /// The administrator who requested the reset, if another one is to approve it.
    pub requester: Option<UserId>,
}

/// The decision on a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is allowed.
    pub allowed: bool,
    /// The rules that decided: those that allow it, or those that forbid it.
    pub policies: Vec<String>,
}

/// The policies in force.
#[derive(Debug)]
pub struct Policies {
    policy_set: PolicySet,
    schema: Schema,
    version: String,
}

impl Policies {
    /// Loads the compiled-in policies and validates them against their schema.
    pub fn load() -> Result<Self, PolicyError> {
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA).map_err(PolicyError::invalid)?;
        let policy_set: PolicySet = POLICIES.parse().map_err(PolicyError::invalid)?;
        let findings = Validator::new(schema.clone()).validate(&policy_set, ValidationMode::Strict);
        if let Some(finding) = findings.validation_errors().next() {
            return Err(PolicyError::invalid(finding));
        }
        let version = Sha256::new()
            .chain_update(SCHEMA)
            .chain_update(POLICIES)
            .finalize();
        Ok(Self {
            policy_set,
            schema,
            version: hex::encode(version),
        })
    }

    /// SHA-256 of the policies and their schema, which receipts contain.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The authorisation function: decides whether this person may do this.
    pub fn decide(
        &self,
        principal: &Principal,
        request: &AuthorizationRequest<'_>,
    ) -> Result<Decision, PolicyError> {
        let user = user_entity(principal)?;
        let (action, resource) = request.action_and_resource()?;
        let cedar_request = Request::new(
            user.uid(),
            uid("Action", action)?,
            resource.uid(),
            request.context()?,
            Some(&self.schema),
        )
        .map_err(PolicyError::invalid_request)?;
        let is_other = resource.uid() != user.uid();
        let groups = group_entities(principal, request)?;
        let entities = std::iter::once(user)
            .chain(is_other.then_some(resource))
            .chain(groups);
        let entities = Entities::from_entities(entities, Some(&self.schema))
            .map_err(PolicyError::invalid_request)?;
        let response = Authorizer::new().is_authorized(&cedar_request, &self.policy_set, &entities);
        let allowed = response.decision() == cedar_policy::Decision::Allow;
        let policies = response
            .diagnostics()
            .reason()
            .map(|id| self.policy_name(id))
            .collect();
        Ok(Decision { allowed, policies })
    }

    /// The collections that this person may read.
    pub fn permitted<'a>(
        &self,
        principal: &Principal,
        collections: impl IntoIterator<Item = GrantedCollection<'a>>,
    ) -> Result<Permitted, PolicyError> {
        let mut permitted = Vec::new();
        for granted in collections {
            let collection = granted.collection;
            if self
                .decide(principal, &AuthorizationRequest::Read(granted))?
                .allowed
            {
                permitted.push(collection);
            }
        }
        Ok(Permitted::decided(permitted))
    }

    /// All collections, for tests that the appliance runs on itself and whose result is a number.
    /// No person ever receives what such a test finds.
    pub fn for_self_test(collections: impl IntoIterator<Item = CollectionId>) -> Permitted {
        Permitted::decided(collections)
    }

    fn policy_name(&self, id: &PolicyId) -> String {
        let name = self.policy_set.annotation(id, "id");
        name.map_or_else(|| id.to_string(), str::to_owned)
    }
}

impl AuthorizationRequest<'_> {
    /// The Cedar action and resource of the request.
    fn action_and_resource(&self) -> Result<(&'static str, Entity), PolicyError> {
        Ok(match self {
            Self::Read(granted) => ("read", collection_entity(granted)?),
            Self::Administer => ("administer", appliance()?),
            Self::Review => ("review", Entity::with_uid(uid("AuditLog", "this")?)),
            Self::HoldRoles => ("hold-roles", appliance()?),
            Self::ChangeRoles(change) => ("change-roles", user_entity(change.account)?),
            Self::ChangeState(account) => ("change-state", user_entity(account)?),
            Self::ResetCredentials(reset) => ("reset-credentials", user_entity(reset.account)?),
        })
    }

    /// The Cedar context of the request.
    fn context(&self) -> Result<Context, PolicyError> {
        let (mut pairs, requester) = match self {
            Self::Read(_)
            | Self::Administer
            | Self::Review
            | Self::HoldRoles
            | Self::ChangeState(_) => return Ok(Context::empty()),
            Self::ResetCredentials(reset) => {
                let activated = RestrictedExpression::new_bool(reset.activated);
                (vec![("activated".to_owned(), activated)], reset.requester)
            }
            Self::ChangeRoles(change) => {
                let administrators = i64::try_from(change.administrators).unwrap_or(i64::MAX);
                let pairs = vec![
                    ("roles".to_owned(), role_set(change.roles)),
                    (
                        "administrators".to_owned(),
                        RestrictedExpression::new_long(administrators),
                    ),
                ];
                (pairs, change.requester)
            }
        };
        if let Some(requester) = requester {
            let requester = RestrictedExpression::new_entity_uid(user_uid(requester)?);
            pairs.push(("requester".to_owned(), requester));
        }
        Context::from_pairs(pairs).map_err(PolicyError::invalid_request)
    }

    fn readers(&self) -> &[GroupId] {
        match self {
            Self::Read(granted) => granted.readers,
            Self::Administer
            | Self::Review
            | Self::HoldRoles
            | Self::ChangeRoles(_)
            | Self::ChangeState(_)
            | Self::ResetCredentials(_) => &[],
        }
    }

    /// The person whose account the request is about.
    fn account(&self) -> Option<&Principal> {
        match self {
            Self::ChangeRoles(change) => Some(change.account),
            Self::ChangeState(account) => Some(account),
            Self::ResetCredentials(reset) => Some(reset.account),
            Self::Read(_) | Self::Administer | Self::Review | Self::HoldRoles => None,
        }
    }
}

fn appliance() -> Result<Entity, PolicyError> {
    Ok(Entity::with_uid(uid("Appliance", "this")?))
}

fn user_uid(user: UserId) -> Result<EntityUid, PolicyError> {
    uid("User", &user.to_string())
}

fn role_set(roles: &[Role]) -> RestrictedExpression {
    let names = roles
        .iter()
        .map(|role| RestrictedExpression::new_string(role.as_str().to_owned()));
    RestrictedExpression::new_set(names)
}

fn uid(kind: &str, id: &str) -> Result<EntityUid, PolicyError> {
    let kind: EntityTypeName = kind.parse().map_err(PolicyError::invalid_request)?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

fn group_uid(group: GroupId) -> Result<EntityUid, PolicyError> {
    uid("Group", &group.to_string())
}

fn user_entity(principal: &Principal) -> Result<Entity, PolicyError> {
    let attributes = HashMap::from([("roles".to_owned(), role_set(&principal.roles))]);
    let parents = principal.groups.iter().map(|group| group_uid(*group));
    let parents = parents.collect::<Result<HashSet<_>, _>>()?;
    Entity::new(user_uid(principal.user)?, attributes, parents)
        .map_err(PolicyError::invalid_request)
}

fn collection_entity(granted: &GrantedCollection<'_>) -> Result<Entity, PolicyError> {
    let readers = granted.readers.iter().map(|group| group_uid(*group));
    let readers = readers.collect::<Result<Vec<_>, _>>()?;
    let readers = readers
        .into_iter()
        .map(RestrictedExpression::new_entity_uid);
    let attributes =
        HashMap::from([("readers".to_owned(), RestrictedExpression::new_set(readers))]);
    let id = uid("Collection", &granted.collection.to_string())?;
    Entity::new(id, attributes, HashSet::new()).map_err(PolicyError::invalid_request)
}

/// The groups of the principal and of the account, and those that may read the resource.
fn group_entities(
    principal: &Principal,
    request: &AuthorizationRequest<'_>,
) -> Result<Vec<Entity>, PolicyError> {
    let named: HashSet<GroupId> = principal
        .groups
        .iter()
        .chain(request.readers())
        .chain(request.account().into_iter().flat_map(|p| &p.groups))
        .copied()
        .collect();
    named
        .into_iter()
        .map(|group| Ok(Entity::with_uid(group_uid(group)?)))
        .collect()
}
