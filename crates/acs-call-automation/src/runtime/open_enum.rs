//! Enums to which the service adds values without notice.

/// Implements conversions from and to text for an enum of unit variants and `UnknownValue(String)`.
///
/// Known values are read in any case, because events contain `Mp4` where the REST API uses `mp4`.
/// Unknown values are kept unchanged.
// Paths are absolute, because a description can contain a schema called `String`, and types are
// written out, because an enum can have a variant called `Err`.
macro_rules! open_enum {
    ($name:ident $(, $variant:ident = $value:literal)* $(,)?) => {
        impl $name {
            /// All values that this version knows.
            pub const KNOWN: &'static [$name] = &[$(Self::$variant),*];

            /// The value as sent to the service.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $value,)*
                    Self::UnknownValue(value) => value,
                }
            }

            fn known(value: &str) -> ::std::option::Option<$name> {
                // Two values can differ in their case only.
                let mut known = Self::KNOWN.iter();
                let exact = known.find(|known| known.as_str() == value);
                exact.or_else(|| {
                    let mut known = Self::KNOWN.iter();
                    known.find(|known| known.as_str().eq_ignore_ascii_case(value))
                }).cloned()
            }
        }

        impl ::std::convert::From<&str> for $name {
            fn from(value: &str) -> $name {
                Self::known(value).unwrap_or_else(|| Self::UnknownValue(value.to_owned()))
            }
        }

        impl ::std::convert::From<::std::string::String> for $name {
            fn from(value: ::std::string::String) -> $name {
                Self::known(&value).unwrap_or(Self::UnknownValue(value))
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = ::std::convert::Infallible;

            fn from_str(
                value: &str,
            ) -> ::std::result::Result<$name, ::std::convert::Infallible> {
                ::std::result::Result::Ok(value.into())
            }
        }

        impl ::std::convert::AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::std::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::std::result::Result<$name, D::Error> {
                struct OpenEnumVisitor;

                impl ::serde::de::Visitor<'_> for OpenEnumVisitor {
                    type Value = $name;

                    fn expecting(
                        &self,
                        f: &mut ::std::fmt::Formatter<'_>,
                    ) -> ::std::fmt::Result {
                        f.write_str("a string")
                    }

                    fn visit_str<E: ::serde::de::Error>(
                        self,
                        text: &str,
                    ) -> ::std::result::Result<$name, E> {
                        ::std::result::Result::Ok(text.into())
                    }

                    fn visit_string<E: ::serde::de::Error>(
                        self,
                        text: ::std::string::String,
                    ) -> ::std::result::Result<$name, E> {
                        ::std::result::Result::Ok(text.into())
                    }
                }

                // Known values need no memory of their own.
                deserializer.deserialize_str(OpenEnumVisitor)
            }
        }
    };
}

pub(crate) use open_enum;

#[cfg(test)]
mod tests {
    use crate::types::{RecognizeInputType, RecordingFormatType, RecordingState};

    #[test]
    fn known_values_are_read_in_any_case() {
        for text in ["mp4", "Mp4", "MP4"] {
            assert_eq!(RecordingFormatType::from(text), RecordingFormatType::Mp4);
        }
        assert_eq!(
            RecognizeInputType::from("SpeechOrDtmf").as_str(),
            "speechOrDtmf"
        );
    }

    #[test]
    fn unknown_values_survive_a_round_trip() {
        let json = r#"["active","Paused ","",""]"#;
        let states: Vec<RecordingState> = serde_json::from_str(json).unwrap();
        assert_eq!(
            states[1],
            RecordingState::UnknownValue("Paused ".to_owned())
        );
        assert_eq!(serde_json::to_string(&states).unwrap(), json);
    }

    #[test]
    fn text_forms_agree() {
        for value in RecordingFormatType::KNOWN {
            assert_eq!(value.to_string(), value.as_str());
            assert_eq!(
                value.as_str().parse::<RecordingFormatType>().as_ref(),
                Ok(value)
            );
        }
    }
}
