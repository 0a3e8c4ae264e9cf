//! Asking Cedar.

use crate::error::PolicyError;
use cedar_policy::{
    Authorizer, Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicyId,
    PolicySet, Request, RestrictedExpression, Schema, ValidationMode, Validator,
};
use cloister_domain::{CollectionId, GroupId, Permitted, Principal};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};

const RULES: &str = include_str!("../cloister.cedar");
const SCHEMA: &str = include_str!("../cloister.cedarschema");

/// A collection and the groups that it is granted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted<'a> {
    /// The collection.
    pub collection: CollectionId,
    /// The groups.
    pub readers: &'a [GroupId],
}

/// What a person wants to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question<'a> {
    /// Ask over a collection, search it, open its pages.
    Read(Granted<'a>),
    /// Make people, groups and collections, grant access, see and retry files.
    Administer,
    /// See, filter and verify the audit log.
    Review,
}

/// What the rules say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is allowed.
    pub allowed: bool,
    /// The rules that allow it.
    pub policies: Vec<String>,
}

/// The rules in force.
#[derive(Debug)]
pub struct Policies {
    rules: PolicySet,
    schema: Schema,
    version: String,
}

impl Policies {
    /// The rules that are compiled in, validated against their schema.
    pub fn load() -> Result<Self, PolicyError> {
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA).map_err(PolicyError::invalid)?;
        let rules: PolicySet = RULES.parse().map_err(PolicyError::invalid)?;
        let findings = Validator::new(schema.clone()).validate(&rules, ValidationMode::Strict);
        if let Some(finding) = findings.validation_errors().next() {
            return Err(PolicyError::invalid(finding));
        }
        let version = Sha256::new()
            .chain_update(SCHEMA)
            .chain_update(RULES)
            .finalize();
        Ok(Self {
            rules,
            schema,
            version: hex::encode(version),
        })
    }

    /// SHA-256 of the rules and their schema: what a receipt names.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The authorisation function: whether this person may do this, now.
    pub fn decide(
        &self,
        principal: &Principal,
        question: &Question<'_>,
    ) -> Result<Decision, PolicyError> {
        let user = uid("User", &principal.user.to_string())?;
        let (action, resource) = question.ask()?;
        let entities = [user_entity(&user, principal)?, resource.clone()]
            .into_iter()
            .chain(groups(principal, question)?);
        let entities = Entities::from_entities(entities, Some(&self.schema))
            .map_err(PolicyError::unaskable)?;
        let request = Request::new(
            user,
            uid("Action", action)?,
            resource.uid(),
            Context::empty(),
            Some(&self.schema),
        )
        .map_err(PolicyError::unaskable)?;
        let answer = Authorizer::new().is_authorized(&request, &self.rules, &entities);
        let allowed = answer.decision() == cedar_policy::Decision::Allow;
        let policies = answer
            .diagnostics()
            .reason()
            .map(|id| self.name(id))
            .collect();
        Ok(Decision { allowed, policies })
    }

    /// The collections that this person may read, now.
    pub fn permitted<'a>(
        &self,
        principal: &Principal,
        collections: impl IntoIterator<Item = Granted<'a>>,
    ) -> Result<Permitted, PolicyError> {
        let mut permitted = Vec::new();
        for granted in collections {
            let collection = granted.collection;
            if self.decide(principal, &Question::Read(granted))?.allowed {
                permitted.push(collection);
            }
        }
        Ok(Permitted::decided(permitted))
    }

    /// Everything, for tests that the appliance makes on itself and whose outcome is a figure: no
    /// person is ever handed what is found so.
    pub fn for_self_test(collections: impl IntoIterator<Item = CollectionId>) -> Permitted {
        Permitted::decided(collections)
    }

    fn name(&self, id: &PolicyId) -> String {
        let named = self.rules.annotation(id, "id");
        named.map_or_else(|| id.to_string(), str::to_owned)
    }
}

impl Question<'_> {
    fn ask(&self) -> Result<(&'static str, Entity), PolicyError> {
        let plain = |kind| Ok(Entity::with_uid(uid(kind, "this")?));
        match self {
            Self::Read(granted) => Ok(("read", collection_entity(granted)?)),
            Self::Administer => Ok(("administer", plain("Appliance")?)),
            Self::Review => Ok(("review", plain("AuditLog")?)),
        }
    }

    fn readers(&self) -> &[GroupId] {
        match self {
            Self::Read(granted) => granted.readers,
            Self::Administer | Self::Review => &[],
        }
    }
}

fn uid(kind: &str, id: &str) -> Result<EntityUid, PolicyError> {
    let kind: EntityTypeName = kind.parse().map_err(PolicyError::unaskable)?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

fn group_uid(group: GroupId) -> Result<EntityUid, PolicyError> {
    uid("Group", &group.to_string())
}

fn user_entity(user: &EntityUid, principal: &Principal) -> Result<Entity, PolicyError> {
    let roles = principal
        .roles
        .iter()
        .map(|role| RestrictedExpression::new_string(role.as_str().to_owned()));
    let attributes = HashMap::from([("roles".to_owned(), RestrictedExpression::new_set(roles))]);
    let parents = principal.groups.iter().map(|group| group_uid(*group));
    let parents = parents.collect::<Result<HashSet<_>, _>>()?;
    Entity::new(user.clone(), attributes, parents).map_err(PolicyError::unaskable)
}

fn collection_entity(granted: &Granted<'_>) -> Result<Entity, PolicyError> {
    let readers = granted.readers.iter().map(|group| group_uid(*group));
    let readers = readers.collect::<Result<Vec<_>, _>>()?;
    let readers = readers
        .into_iter()
        .map(RestrictedExpression::new_entity_uid);
    let attributes =
        HashMap::from([("readers".to_owned(), RestrictedExpression::new_set(readers))]);
    let id = uid("Collection", &granted.collection.to_string())?;
    Entity::new(id, attributes, HashSet::new()).map_err(PolicyError::unaskable)
}

fn groups(principal: &Principal, question: &Question<'_>) -> Result<Vec<Entity>, PolicyError> {
    let named: HashSet<GroupId> = principal
        .groups
        .iter()
        .chain(question.readers())
        .copied()
        .collect();
    named
        .into_iter()
        .map(|group| Ok(Entity::with_uid(group_uid(group)?)))
        .collect()
}
