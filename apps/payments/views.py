"""Where payment providers call us."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from apps.payments import services
from apps.payments.errors import InvalidWebhook
from celeriac import limited

MAX_BODY = 1_000_000


@csrf_exempt
@limited("webhook", "WEBHOOK_CALLS_PER_MINUTE")
@require_POST
def stripe_webhook(request: HttpRequest) -> HttpResponse:
    """Keep an event whose signature over the raw bytes is right: 200, also for one we know."""
    if int(request.headers.get("Content-Length") or 0) > MAX_BODY:
        return JsonResponse({"detail": "The body is too large."}, status=413)
    signature = request.headers.get("Stripe-Signature", "")
    try:
        event = services.webhook_receive(body=request.body, signature=signature)
    except InvalidWebhook as error:
        return JsonResponse({"detail": error.message}, status=400)
    return JsonResponse({"received": True, "known": event is None})
