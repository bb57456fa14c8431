Feature: The payment provider is away
  An outage costs time, and nothing else.

  Scenario: Customers order while the provider is away
    Given the payment provider is away
    When 6 customers order tea for 25.00 EUR
    And the platform does its work
    Then every order waits
    And the circuit to the payment provider is open
    And no job has died
    When the payment provider is back
    And an operator closes the circuit
    And the platform does its work
    Then every order is paid
    And every customer was charged once
