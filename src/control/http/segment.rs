//! The variable part of a path.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use super::Refusal;

/// The one variable segment of a path, decoded. What cannot be decoded names nothing: 404.
pub(super) struct Segment(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Path(segment) = Path::from_request_parts(parts, state).await.map_err(|_| Refusal::not_found("Path"))?;
        Ok(Self(segment))
    }
}
