Feature: An operator tries a dead job again
  What has died waits for somebody who knows that its cause is gone.

  Scenario: A message whose template was missing
    Given a message whose template does not exist
    When the platform does its work
    Then the message's job is dead
    When somebody adds the template
    And an operator retries the job in the admin, because "the template is there now"
    And the platform does its work
    Then the message has arrived once
    And the audit trail tells who retried the job, and why
