"""All examinations, in the order in which they are shown: quick ones first."""

from collections.abc import Callable

from hilum.doctor.environment import examine_environment
from hilum.doctor.finding import Examined, Project
from hilum.doctor.inputs import examine_inputs, examine_settings
from hilum.doctor.interruptions import examine_interruptions
from hilum.doctor.machine import examine_machine
from hilum.doctor.pipeline import examine_pipeline
from hilum.doctor.stores import examine_store, examine_studies

EXAMINATIONS: dict[str, Callable[[Project], Examined]] = {
    "environment": examine_environment,
    "machine": examine_machine,
    "settings": examine_settings,
    "pipeline": examine_pipeline,
    "interruptions": examine_interruptions,
    "tracking store": examine_store,
    "studies": examine_studies,
    "films and weights": examine_inputs,
}
