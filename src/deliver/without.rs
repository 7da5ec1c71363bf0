//! What a build without the feature `webhooks` says in place of sending over the network.

use crate::deliver::address::Target;
use crate::deliver::bodies::Answer;

const WHY: &str = "this build sends nothing over the network (feature webhooks)";

/// Posts nothing.
pub fn post(_target: &Target, _headers: &[(&str, String)], _body: &str) -> Result<Answer, String> {
    Err(WHY.to_owned())
}

/// Signs nothing.
pub mod signature {
    /// Signs nothing.
    pub fn webhook(_secrets: &str, _id: &str, _timestamp: i64, _body: &str) -> Result<String, &'static str> {
        Err(super::WHY)
    }

    /// Signs nothing.
    pub fn dingtalk(_secret: &str, _millis: i64) -> Result<String, &'static str> {
        Err(super::WHY)
    }
}
