//! Holding a JSON document against the schema that its types derive.
//!
//! It knows exactly the part of JSON Schema (draft 2020-12) that derived schemas use, and panics at any keyword beyond
//! it, so that nothing is let through because it was not understood. The general validators bring some thirty to fifty
//! packages, which every call of `cargo xtask` would pay for (see `docs/dependencies.md`).

use serde_json::{Map, Value};

/// What is wrong with a document, each with its place; nothing if it is as the schema says.
pub fn faults(schema: &Value, document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    Checker { root: schema }.check(schema, document, "$", &mut faults);
    faults
}

/// Fails unless the document is as the schema says.
#[track_caller]
pub fn assert_valid(schema: &Value, document: &Value) {
    let faults = faults(schema, document);
    assert!(faults.is_empty(), "{}\n{document:#}", faults.join("\n"));
}

struct Checker<'a> {
    root: &'a Value,
}

impl Checker<'_> {
    fn check(&self, schema: &Value, value: &Value, place: &str, faults: &mut Vec<String>) {
        let rules = match schema {
            Value::Bool(true) => return,
            Value::Bool(false) => return faults.push(format!("{place}: nothing may stand here")),
            Value::Object(rules) => rules,
            other => panic!("not a schema: {other}"),
        };
        for (keyword, rule) in rules {
            self.check_keyword(keyword, rule, rules, value, place, faults);
        }
    }

    fn check_keyword(
        &self,
        keyword: &str,
        rule: &Value,
        rules: &Map<String, Value>,
        value: &Value,
        place: &str,
        faults: &mut Vec<String>,
    ) {
        let mut fault = |text: String| faults.push(format!("{place}: {text}"));
        match keyword {
            "$schema" | "$defs" | "title" | "description" | "default" | "examples"
            | "deprecated" => {}
            "$ref" => self.check(self.resolve(rule), value, place, faults),
            "type" => {
                if !has_type(rule, value) {
                    fault(format!("{value} is not of type {rule}"));
                }
            }
            "const" => {
                if rule != value {
                    fault(format!("{value} is not {rule}"));
                }
            }
            "enum" => {
                if !items(rule).contains(value) {
                    fault(format!("{value} is none of {rule}"));
                }
            }
            "format" => {
                if !has_format(rule, value) {
                    fault(format!("{value} is not in the format {rule}"));
                }
            }
            "minimum" | "maximum" | "minItems" | "maxItems" => {
                if !is_within(keyword, rule, value) {
                    fault(format!("{value} is beyond {keyword} {rule}"));
                }
            }
            "required" => {
                for name in items(rule).iter().filter_map(Value::as_str) {
                    if value.is_object() && value.get(name).is_none() {
                        fault(format!("`{name}` is missing"));
                    }
                }
            }
            "properties" | "additionalProperties" | "items" | "prefixItems" => {
                for (schema, inner, place) in parts(keyword, rule, rules, value, place) {
                    self.check(schema, inner, &place, faults);
                }
            }
            "allOf" => {
                for schema in items(rule) {
                    self.check(schema, value, place, faults);
                }
            }
            "anyOf" | "oneOf" => self.check_alternatives(keyword, rule, value, place, faults),
            unknown => {
                panic!(
                    "{place}: the schema says `{unknown}`, which tests/src/schema.rs does not know"
                )
            }
        }
    }

    fn check_alternatives(
        &self,
        keyword: &str,
        rule: &Value,
        value: &Value,
        place: &str,
        faults: &mut Vec<String>,
    ) {
        let try_one = |schema| {
            let mut found = Vec::new();
            self.check(schema, value, place, &mut found);
            found
        };
        let tried: Vec<Vec<String>> = items(rule).iter().map(try_one).collect();
        let fitting = tried.iter().filter(|found| found.is_empty()).count();
        if fitting == 0 {
            // The alternative that fits best is the one that was meant.
            let nearest = tried.into_iter().min_by_key(Vec::len).unwrap_or_default();
            let nearest = nearest.join("; ");
            faults.push(format!(
                "{place}: fits no alternative; the nearest: {nearest}"
            ));
        } else if fitting > 1 && keyword == "oneOf" {
            faults.push(format!(
                "{place}: fits {fitting} alternatives, and may fit only one"
            ));
        }
    }

    fn resolve(&self, reference: &Value) -> &Value {
        let target = reference
            .as_str()
            .and_then(|path| match path.strip_prefix('#') {
                Some(pointer) => self.root.pointer(pointer),
                None => None,
            });
        target.unwrap_or_else(|| panic!("{reference} leads nowhere"))
    }
}

/// What a keyword about the inside of a value applies to: schema, inner value, and its place.
fn parts<'a>(
    keyword: &str,
    rule: &'a Value,
    rules: &'a Map<String, Value>,
    value: &'a Value,
    place: &str,
) -> Vec<(&'a Value, &'a Value, String)> {
    let fields = || value.as_object().into_iter().flatten();
    let elements = || value.as_array().into_iter().flatten().enumerate();
    let field = |name: &str| format!("{place}.{name}");
    let element = |index: usize| format!("{place}[{index}]");
    match keyword {
        "properties" => {
            let known = entries(rule);
            let named =
                fields().filter_map(|(name, inner)| Some((known.get(name)?, inner, field(name))));
            named.collect()
        }
        "additionalProperties" => {
            let known = rules.get("properties").map(entries);
            let is_known = |name: &str| known.is_some_and(|known| known.contains_key(name));
            let others = fields().filter(|(name, _)| !is_known(name));
            others
                .map(|(name, inner)| (rule, inner, field(name)))
                .collect()
        }
        "prefixItems" => {
            let pairs = items(rule).iter().zip(elements());
            pairs
                .map(|(schema, (index, inner))| (schema, inner, element(index)))
                .collect()
        }
        _ => {
            let first = rules
                .get("prefixItems")
                .map_or(0, |prefix| items(prefix).len());
            elements()
                .skip(first)
                .map(|(index, inner)| (rule, inner, element(index)))
                .collect()
        }
    }
}

/// Bounds of numbers and of lengths; a value of another kind is within them all.
fn is_within(keyword: &str, bound: &Value, value: &Value) -> bool {
    let size = match keyword {
        "minimum" | "maximum" => value.as_f64(),
        _ => value
            .as_array()
            .map(Vec::len)
            .and_then(|count| Value::from(count).as_f64()),
    };
    match size.zip(bound.as_f64()) {
        Some((size, bound)) if keyword.starts_with("min") => size >= bound,
        Some((size, bound)) => size <= bound,
        None => true,
    }
}

fn has_type(rule: &Value, value: &Value) -> bool {
    match rule {
        Value::Array(types) => types.iter().any(|rule| has_type(rule, value)),
        Value::String(name) => match name.as_str() {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "string" => value.is_string(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            unknown => panic!("{unknown} is no type"),
        },
        other => panic!("{other} is no type"),
    }
}

/// Only what derived schemas say: the widths of numbers, and a few kinds of text.
fn has_format(rule: &Value, value: &Value) -> bool {
    let integer = value
        .as_i64()
        .map(i128::from)
        .or_else(|| value.as_u64().map(i128::from));
    let within =
        |low: i128, high: i128| integer.is_none_or(|number| (low..=high).contains(&number));
    let text = |is_right: fn(&str) -> bool| value.as_str().is_none_or(is_right);
    match rule.as_str().unwrap_or_default() {
        "uint8" => within(0, u8::MAX.into()),
        "uint16" => within(0, u16::MAX.into()),
        "uint32" => within(0, u32::MAX.into()),
        "uint64" | "uint" => within(0, u64::MAX.into()),
        "int8" => within(i8::MIN.into(), i8::MAX.into()),
        "int16" => within(i16::MIN.into(), i16::MAX.into()),
        "int32" => within(i32::MIN.into(), i32::MAX.into()),
        "int64" | "int" | "float" | "double" => true,
        "uuid" => text(is_uuid),
        // `2026-01-31T10:20:30Z`: the shape, not the calendar.
        "date-time" => text(|text| text.len() >= 20 && text.as_bytes()[10] == b'T'),
        "ip" | "ipv4" | "ipv6" => text(|text| text.parse::<std::net::IpAddr>().is_ok()),
        unknown => {
            panic!("the schema says `format: {unknown}`, which tests/src/schema.rs does not know")
        }
    }
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12]
        && text
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

fn items(rule: &Value) -> &Vec<Value> {
    rule.as_array()
        .unwrap_or_else(|| panic!("{rule} is no list"))
}

fn entries(rule: &Value) -> &Map<String, Value> {
    rule.as_object()
        .unwrap_or_else(|| panic!("{rule} is no table"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_fits_has_no_faults() {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$defs": {"Boot": {"type": "string", "format": "uuid"}},
            "type": "object",
            "required": ["pid", "boot"],
            "properties": {
                "pid": {"type": "integer", "format": "uint32", "minimum": 0},
                "boot": {"$ref": "#/$defs/Boot", "description": "a boot"},
                "end": {"anyOf": [{"type": "null"}, {"enum": ["killed"]}]},
                "log": {"type": "array", "items": {"type": "string"}},
            },
        });
        let boot = "01234567-89ab-cdef-0123-456789abcdef";
        for document in [
            json!({"pid": 1, "boot": boot}),
            json!({"pid": 1, "boot": boot, "end": null, "log": ["a"], "later": true}),
            json!({"pid": 4_294_967_295_u32, "boot": boot, "end": "killed", "log": []}),
        ] {
            assert_valid(&schema, &document);
        }
        for (document, fault) in [
            (json!([]), "$: [] is not of type \"object\""),
            (json!({"pid": 1}), "$: `boot` is missing"),
            (
                json!({"pid": -1, "boot": boot}),
                "$.pid: -1 is not in the format \"uint32\"",
            ),
            (
                json!({"pid": 1.5, "boot": boot}),
                "$.pid: 1.5 is not of type \"integer\"",
            ),
            (
                json!({"pid": 1, "boot": "x"}),
                "$.boot: \"x\" is not in the format \"uuid\"",
            ),
            (
                json!({"pid": 1, "boot": boot, "log": [1]}),
                "$.log[0]: 1 is not of type \"string\"",
            ),
        ] {
            let faults = faults(&schema, &document);
            assert!(faults.iter().any(|found| found == fault), "{faults:?}");
        }
    }

    #[test]
    fn exactly_one_alternative_must_fit() {
        let event = |name: &str, field: &str| {
            json!({
                "type": "object",
                "required": ["event", field],
                "properties": {"event": {"const": name}, field: {"type": "integer"}},
            })
        };
        let schema = json!({"oneOf": [event("started", "pid"), event("ended", "code")]});
        assert_valid(&schema, &json!({"event": "started", "pid": 1}));
        for document in [
            json!({"event": "ended", "pid": 1}),
            json!({"event": "paused"}),
        ] {
            assert_eq!(faults(&schema, &document).len(), 1, "{document}");
        }
        let twice = json!({"oneOf": [true, {"type": "integer"}]});
        assert_eq!(faults(&twice, &json!(1)).len(), 1);
        assert_eq!(faults(&twice, &json!("x")).len(), 0);
    }

    #[test]
    fn closed_objects_admit_only_what_they_name() {
        let schema = json!({"properties": {"a": true}, "additionalProperties": false});
        assert_valid(&schema, &json!({"a": 1}));
        assert_eq!(faults(&schema, &json!({"b": 1})).len(), 1);
    }

    #[test]
    #[should_panic(expected = "does not know")]
    fn a_keyword_that_is_not_understood_is_no_pass() {
        faults(&json!({"multipleOf": 2}), &json!(1));
    }
}
