//! Provides the type of dates and times. The type belongs to Smithy, the library below AWS's SDK: no second library is needed, and
//! all other modules, except `aws`, use it from here.

pub use aws_smithy_types::DateTime;
pub use aws_smithy_types::date_time::Format;
