//! Attributes of a node.

use std::collections::HashMap;

use bytes::Bytes;
use prost::Message as _;

use super::error::{Fault, quoted, wrong};
use super::proto;

/// By name.
#[derive(Debug, Default)]
pub(super) struct Attributes(HashMap<String, proto::Attribute>);

impl Attributes {
    pub fn decode(messages: &[Bytes]) -> Result<Attributes, Fault> {
        let mut attributes = HashMap::new();
        for message in messages {
            let attribute = proto::Attribute::decode(message.clone())
                .map_err(|error| wrong!("an attribute is damaged: {error}"))?;
            if let Some(twice) = attributes.insert(attribute.name.clone(), attribute) {
                return Err(wrong!("its attribute `{}` is there twice", quoted(&twice.name)));
            }
        }
        Ok(Attributes(attributes))
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// What `field` finds in an attribute; an error if it is there and does not have it.
    fn get<'a, T>(
        &'a self,
        name: &str,
        what: &str,
        field: impl Fn(&'a proto::Attribute) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        let found = self.0.get(name);
        found
            .map(|attribute| field(attribute).ok_or_else(|| wrong!("its attribute `{name}` is not {what}")))
            .transpose()
    }

    pub fn int(&self, name: &str, default: i64) -> Result<i64, Fault> {
        Ok(self.get(name, "a whole number", integer)?.unwrap_or(default))
    }

    pub fn flag(&self, name: &str) -> Result<bool, Fault> {
        Ok(self.int(name, 0)? != 0)
    }

    pub fn float(&self, name: &str, default: f32) -> Result<f32, Fault> {
        let field = |attribute: &proto::Attribute| attribute.float.or((attribute.kind == 1).then_some(0.0));
        Ok(self.get(name, "a number", field)?.unwrap_or(default))
    }

    pub fn ints(&self, name: &str) -> Result<Option<&[i64]>, Fault> {
        let field = |attribute| list(attribute, &attribute.ints, 7);
        self.get(name, "a list of whole numbers", field)
    }

    pub fn floats(&self, name: &str) -> Result<Option<&[f32]>, Fault> {
        let field = |attribute| list(attribute, &attribute.floats, 6);
        self.get(name, "a list of numbers", field)
    }

    pub fn string(&self, name: &str) -> Result<Option<&str>, Fault> {
        self.get(name, "a text", |attribute| std::str::from_utf8(attribute.string.as_ref()?).ok())
    }

    pub fn tensor(&self, name: &str) -> Result<Option<&Bytes>, Fault> {
        self.get(name, "a tensor", |attribute| attribute.tensor.as_ref())
    }
}

/// A 0 may be left out if the kind is said.
fn integer(attribute: &proto::Attribute) -> Option<i64> {
    attribute.int.or((attribute.kind == 2).then_some(0))
}

/// An empty list is one only if no other field is there, or the kind is said.
fn list<'a, T>(attribute: &proto::Attribute, list: &'a [T], kind: i32) -> Option<&'a [T]> {
    let bare = attribute.int.is_none() && attribute.float.is_none() && attribute.tensor.is_none();
    (!list.is_empty() || attribute.kind == kind || (attribute.kind == 0 && bare)).then_some(list)
}
