//! What stands for the Services that documents name and no Function serves: the setting `services`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::endpoint::{self, Endpoint};
use super::metadata::is_name;
use super::select::NoSelector;
use super::spelling::{listed, nearest};
use super::{Config, Subscriber};

/// By namespace and name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Services(BTreeMap<(String, String), Place>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Url(String),
    Function(String, String),
}

/// `payment` is of the namespace `default`.
fn split(name: &str) -> Option<(String, String)> {
    let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
    (is_name(namespace) && is_name(name)).then(|| (namespace.to_owned(), name.to_owned()))
}

/// `payment=http://localhost:3000,shop/orders=shop/orders-here`.
impl FromStr for Services {
    type Err = String;

    fn from_str(text: &str) -> Result<Services, String> {
        let mut services = BTreeMap::new();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (service, place) =
                pair.split_once('=').ok_or_else(|| format!("'{pair}' does not say what stands for it"))?;
            let service = split(service).ok_or_else(|| format!("'{service}' is no name of a Service"))?;
            let place = match (endpoint::is_url(place), split(place)) {
                (true, _) => Place::Url(place.to_owned()),
                (false, Some((namespace, name))) => Place::Function(namespace, name),
                (false, None) => {
                    return Err(format!("'{place}' is neither a URL nor the name of a Function"));
                }
            };
            services.insert(service, place);
        }
        Ok(Services(services))
    }
}

impl fmt::Display for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, ((namespace, name), place)) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            match place {
                Place::Url(url) => write!(f, "{comma}{namespace}/{name}={url}")?,
                Place::Function(of, function) => write!(f, "{comma}{namespace}/{name}={of}/{function}")?,
            }
        }
        Ok(())
    }
}

impl Config {
    /// Puts what the setting says in the place of Services.
    pub fn map_services(&mut self, services: &Services) -> Result<(), NoSelector> {
        let known: Vec<(String, String)> =
            self.functions.iter().map(|f| (f.namespace.clone(), f.name.clone())).collect();
        let ours = self.forwards.iter_mut().chain(&mut self.of_sources);
        for trigger in self.triggers.iter_mut().chain(&mut self.deselected).chain(ours) {
            let Subscriber::Http(endpoint) = &trigger.subscriber else { continue };
            let Some(service) = &endpoint.service else { continue };
            let place = services.0.get(&(service.namespace.clone(), service.name.clone()));
            trigger.subscriber = match place {
                None => continue,
                Some(Place::Url(address)) => {
                    Subscriber::Http(Arc::new(Endpoint { url: service.at(address), ..(**endpoint).clone() }))
                }
                Some(Place::Function(namespace, name)) => {
                    let is_it = |known: &(String, String)| known.0 == *namespace && known.1 == *name;
                    let index =
                        known.iter().position(is_it).ok_or_else(|| unknown(namespace, name, &known))?;
                    trigger.policy.remote = false;
                    Subscriber::Function(index)
                }
            };
        }
        Ok(())
    }
}

fn unknown(namespace: &str, name: &str, known: &[(String, String)]) -> NoSelector {
    let names: Vec<String> = known.iter().map(|(namespace, name)| format!("{namespace}/{name}")).collect();
    let wanted = format!("{namespace}/{name}");
    let help = match nearest(&wanted, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("there is {}", listed(names.iter().map(String::as_str))),
    };
    NoSelector { message: format!("services: there is no Function '{wanted}'"), help }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_as_they_are_written() {
        let text = "payment=http://localhost:3000/?a=b, shop/orders=orders-here";
        let services: Services = text.parse().unwrap();
        let shown = "default/payment=http://localhost:3000/?a=b,shop/orders=default/orders-here";
        assert_eq!(services.to_string(), shown);
        assert_eq!(shown.parse(), Ok(services));
        assert_eq!("".parse(), Ok(Services::default()));
        for wrong in
            ["payment", "=http://a", "a=", "a=http://", "a/b/c=http://a", "A=http://a", "a=http://u@h"]
        {
            assert!(wrong.parse::<Services>().is_err(), "{wrong}");
        }
    }
}
