"""Enter in a field also leaves it, so that the next key is one of the page, such as N for the next film, and no letter."""

import streamlit as st

PLACE = "hilum-fields"
SCRIPT = f"""
<div id="{PLACE}"></div>
<script>
if (!window.hilumFields) {{
  window.hilumFields = true;
  document.addEventListener("keydown", (event) => {{
    const field = event.target;
    if (event.key !== "Enter" || !field.matches?.('input[type="text"]:not([role="combobox"])')) return;
    if (!field.closest('[data-testid="stForm"]')) requestAnimationFrame(() => field.blur());
  }});
}}
</script>
"""


def leave_fields_on_enter() -> None:
    """For fields outside of forms, which Enter sends; the text is taken before. It holds for the whole session of the browser."""
    st.html(SCRIPT, unsafe_allow_javascript=True)  # a constant: no text of a user is in it
