"""What is the same for every student: the vocabulary, and the card of the model."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from riskmodel.store import reading, sets
from riskmodel.wording import LANGUAGES
from serve.answers import model_out, set_out, words
from serve.deps import Visiting
from serve.negotiation import wanted_type
from serve.pages import html_answer
from serve.problems import Problem
from serve.schemas import CardOut, LanguageQuery, ReasonBook
from serve.words import reason_book

router = APIRouter(prefix="/v1", tags=["words"])


@router.get("/reasons")
def list_reasons(visit: Visiting) -> ReasonBook:
    """Answer with every code that an answer may hold, and its words."""
    visit.principal.must("read_list")
    published = reading.current_set(visit.store)
    visit.note(200, set_id=published.set_id)
    return reason_book(published, today=visit.today)


@router.get("/model-card", response_model=CardOut, responses={200: {"content": {"text/html": {}}}})
def read_model_card(
    query: Annotated[LanguageQuery, Query()], visit: Visiting, request: Request, response: Response
) -> CardOut | Response:
    """Answer with the card of the model of the current set: what it is for, and what it cannot do."""
    visit.principal.must("read_list")
    published = reading.current_set(visit.store)
    cards = {
        language: sets.document(visit.store, published.set_id, "card", language) for language in LANGUAGES
    }
    if wanted_type(request, ("application/json", "text/html")) == "text/html":
        card = cards[query.lang]
        visit.note(406 if card is None else 200, set_id=published.set_id)
        if card is None:
            raise Problem("not_acceptable")
        return html_answer(card)
    visit.note(200, set_id=published.set_id)
    response.headers["Vary"] = "Accept"
    return CardOut(
        model=model_out(published),
        set=set_out(published, today=visit.today),
        pages={language: f"/v1/model-card?lang={language}" for language, card in cards.items() if card},
        notice=words("api.notice"),
    )
